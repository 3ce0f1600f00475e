import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const CONFIG = fileURLToPath(new URL('../../../installer/config/', import.meta.url));

/** Packages that a process loads which imports the config layer and reads this list. */
function packagesLoadedBy(list: string): ReadonlySet<string> {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { loadList } = await import(${JSON.stringify(`${CONFIG}load.ts`)});
    const { parseFlags } = await import(${JSON.stringify(`${CONFIG}settings-parse.ts`)});
    const { resolveSettings } = await import(${JSON.stringify(`${CONFIG}settings.ts`)});
    const env = { PORTAL_PLUGINS_LIST: ${JSON.stringify(list)} };
    const settings = resolveSettings({ flags: parseFlags('install', []), env, cwd: '/', isTerminal: false, version: '0' });
    await loadList(settings, { npmRegistry: () => new URL('https://npm.example/'), isInsecureHost: () => false });
    const names = loaded.map((url) => /node_modules[/]((?:@[^/]+[/])?[^/]+)/.exec(url)?.[1]);
    process.stdout.write(JSON.stringify([...new Set(names)]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: {},
  });
  const names: unknown = JSON.parse(output);
  return new Set(Array.isArray(names) ? names.map(String) : []);
}

test('a list in JSON is read without the YAML parser, and no list loads network, archive or log code', () => {
  const json = packagesLoadedBy('{"plugins":[{"package":"./a"}]}');
  for (const name of ['yaml', 'undici', 'tar', 'pino']) expect(json).not.toContain(name);
  const yaml = packagesLoadedBy('plugins:\n  - package: ./a\n');
  expect(yaml).toContain('yaml');
  for (const name of ['undici', 'tar', 'pino']) expect(yaml).not.toContain(name);
});
