/** Publishing as `npm publish` does it: one PUT with the packument of one version and the tarball inside. */
import { createHash } from 'node:crypto';
import type { TestPlugin } from './plugins.ts';
import { sriOf } from './tarball.ts';

export interface PublishOptions {
  /** Value of Authorization. */
  readonly authorization?: string;
  /** dist-tag, default `latest`. */
  readonly tag?: string;
}

/** Publishes to the registry at `base` (trailing slash). Throws when the registry says no. */
export async function publish(base: string, plugin: TestPlugin, options: PublishOptions = {}): Promise<void> {
  const { name } = plugin;
  const response = await fetch(new URL(name.replace('/', '%2f'), base), {
    method: 'PUT',
    headers: {
      'content-type': 'application/json',
      ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    },
    body: JSON.stringify(publishDocument(base, plugin, options.tag ?? 'latest')),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`publishing ${name}: ${response.status} ${text}`);
}

/** npm registry API, "publish": the document that is put. */
function publishDocument(base: string, plugin: TestPlugin, tag: string): Record<string, unknown> {
  const { name, version, packageJson, tarball } = plugin;
  const file = `${name}-${version}.tgz`;
  const dist = {
    integrity: sriOf(tarball),
    shasum: createHash('sha1').update(tarball).digest('hex'),
    tarball: `${base}${name}/-/${file}`,
  };
  return {
    _id: name,
    name,
    'dist-tags': { [tag]: version },
    versions: { [version]: { ...packageJson, _id: `${name}@${version}`, dist } },
    _attachments: {
      [file]: { content_type: 'application/octet-stream', data: tarball.toString('base64'), length: tarball.length },
    },
  };
}

/** A token, as `npm login` gets one. */
export async function logIn(base: string, name: string, password: string): Promise<string> {
  const response = await fetch(new URL(`-/user/org.couchdb.user:${name}`, base), {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: basicAuthorization(name, password) },
    body: JSON.stringify({ _id: `org.couchdb.user:${name}`, name, password, type: 'user' }),
  });
  const body: unknown = await response.json();
  if (typeof body === 'object' && body !== null && 'token' in body && typeof body.token === 'string') return body.token;
  throw new Error(`logging in to ${base}: ${response.status}`);
}

export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
