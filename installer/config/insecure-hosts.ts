/** PORTAL_PLUGINS_INSECURE_HOSTS as a question. Pure. */

/**
 * Whether a host (`host` or `host:port`) is listed. An entry with a port admits that port only; one without admits every port of the
 * host. Compared in lower case, whole names: a listed `registry.local` says nothing about `x.registry.local`.
 */
export function hostMatcher(listed: readonly string[]): (host: string) => boolean {
  const names = new Set(listed.map((entry) => entry.toLowerCase()));
  return (host) => {
    const name = host.toLowerCase();
    return names.has(name) || names.has(name.replace(/:\d+$/, ''));
  };
}
