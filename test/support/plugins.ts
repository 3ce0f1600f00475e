/** Minimal valid plugins of a Backstage portal, as files and as npm-shaped archives. */
import type { Integrity } from '../../installer/core/integrity.ts';
import { npmTarball, sriOf, type Files } from './tarball.ts';

export interface TestPlugin {
  readonly name: string;
  readonly version: string;
  /** Object of its package.json. */
  readonly packageJson: Readonly<Record<string, unknown>>;
  readonly files: Files;
  /** npm-shaped archive and its sha512. */
  readonly tarball: Buffer;
  readonly integrity: Integrity;
}

export interface PluginOptions {
  readonly name?: string;
  readonly version?: string;
  /** Merged into package.json, last. */
  readonly packageJson?: Readonly<Record<string, unknown>>;
  /** Further files, or replacements. */
  readonly files?: Files;
  /** gzip level. */
  readonly level?: number;
}

/** Loads in a real Backstage backend: a feature that registers nothing. */
const BACKEND_ENTRY = `'use strict';
Object.defineProperty(exports, '__esModule', { value: true });
exports.default = {
  $$type: '@backstage/BackendFeature',
  version: 'v1',
  featureType: 'registrations',
  getRegistrations: () => [],
};
`;

/** A backend plugin: `backstage.role`, `main` and its entry file. */
export function backendPlugin(options: PluginOptions = {}): TestPlugin {
  const packageJson = {
    name: options.name ?? '@acme/plugin-todo-backend',
    version: options.version ?? '1.4.2',
    main: 'dist/index.cjs.js',
    backstage: { role: 'backend-plugin' },
  };
  return plugin(packageJson, { 'dist/index.cjs.js': BACKEND_ENTRY }, options);
}

/** A frontend plugin: a Module Federation manifest and the remote entry it names. */
export function frontendPlugin(options: PluginOptions = {}): TestPlugin {
  const name = options.name ?? '@acme/plugin-todo';
  const packageJson = {
    name,
    version: options.version ?? '1.4.2',
    main: 'dist/remoteEntry.js',
    backstage: { role: 'frontend-plugin' },
  };
  const manifest = {
    name: name.replace(/^@/, '').replaceAll(/[^a-z0-9]+/g, '_'),
    metaData: { remoteEntry: { name: 'remoteEntry.js', path: '' } },
    exposes: [{ name: '.' }],
    shared: [],
  };
  const files = {
    'dist/mf-manifest.json': JSON.stringify(manifest, undefined, 2),
    'dist/remoteEntry.js': 'export const get = () => undefined;\nexport const init = () => undefined;\n',
  };
  return plugin(packageJson, files, options);
}

function plugin(base: { name: string; version: string }, files: Files, options: PluginOptions): TestPlugin {
  const packageJson = { ...base, ...options.packageJson };
  const all: Files = { 'package.json': JSON.stringify(packageJson, undefined, 2), ...files, ...options.files };
  const tarball = npmTarball(all, options.level === undefined ? {} : { level: options.level });
  return { name: base.name, version: base.version, packageJson, files: all, tarball, integrity: sriOf(tarball) };
}
