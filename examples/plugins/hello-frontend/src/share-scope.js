let scope = {};

export function useShareScope(shareScope) {
  scope = shareScope;
}

/** The portal's own copy of a package: two copies of React in one page do not work. */
export async function shared(name) {
  const versions = Object.values(scope[name] ?? {});
  const chosen = versions.find((version) => version.loaded) ?? versions[0];
  if (chosen === undefined) throw new Error(`the portal does not share ${name}`);
  const factory = await chosen.get();
  return factory();
}
