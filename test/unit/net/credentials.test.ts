import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCredentials } from '../../../installer/net/credentials.ts';

test('knows every secret as soon as it is loaded, and opens docker configs only when a registry is asked for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'credentials-'));
  try {
    const auth = Buffer.from('alice:from-docker').toString('base64');
    await writeFile(join(directory, '.npmrc'), '//r.example/:_authToken=from-npmrc\n');
    await writeFile(join(directory, 'config.json'), JSON.stringify({ auths: { 'r.example': { auth } } }));
    const loaded = await createCredentials(
      {
        registryAuthFiles: [{ path: join(directory, 'config.json'), isRequired: true }],
        npmrc: join(directory, '.npmrc'),
        npmrcVariables: {},
        credentialHelperDir: undefined,
      },
      () => false,
    );
    expect(loaded.secrets).toEqual(['from-npmrc']);
    const [candidate] = await loaded.provider.oci('r.example', 'acme/todo');
    expect(candidate).toMatchObject({ kind: 'basic', username: 'alice' });
    expect(loaded.secrets).toEqual(['from-npmrc', 'from-docker']);
    const url = new URL('https://r.example/x');
    expect(loaded.provider.npm(url, url)?.authorization).toBe('Bearer from-npmrc');
    expect(loaded.provider.https(url)?.authorization).toBe('Bearer from-npmrc');
  } finally {
    await rm(directory, { recursive: true });
  }
});
