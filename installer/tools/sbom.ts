/**
 * The parts list of the bundle. `npm sbom --omit dev` forgets packages that a development dependency needs too (npm 11: yaml and zod
 * here), so the list is made from what the bundler took in, which is also exact.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license?: unknown;
  readonly description?: string;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

/** What `package.json` in `directory` says of its package; throws when it names no licence, because nothing unlicensed is shipped. */
export async function readManifest(directory: string): Promise<PackageManifest & { readonly license: string }> {
  const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as PackageManifest;
  const { license } = manifest;
  if (typeof license !== 'string') throw new Error(`${manifest.name} names no licence`);
  return { ...manifest, license };
}

/**
 * A CycloneDX 1.5 document (JSON) of the project in `projectDir` with `packages` (paths from the project, `node_modules/…`) as its
 * components, hashes from the lock file. No time and no serial number: the same bundle has the same document.
 */
export async function sbomOf(packages: readonly string[], projectDir: string): Promise<string> {
  const lock = JSON.parse(await readFile(join(projectDir, 'package-lock.json'), 'utf8')) as Lock;
  const own = await readManifest(projectDir);
  const parts = await Promise.all(
    packages.map(async (path) =>
      componentOf(await readManifest(join(projectDir, path)), lock.packages[path]?.integrity),
    ),
  );
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { ...componentOf(own, undefined), type: 'application', description: own.description } },
    components: parts,
    dependencies: [{ ref: purlOf(own), dependsOn: parts.map((part) => part['bom-ref']) }],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

interface Component {
  readonly type: string;
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly object[];
  readonly hashes?: readonly object[];
}

function componentOf(
  manifest: PackageManifest & { readonly license: string },
  integrity: string | undefined,
): Component {
  const isExpression = /[ ()]/.test(manifest.license);
  const sha512 = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1];
  return {
    type: 'library',
    'bom-ref': purlOf(manifest),
    name: manifest.name,
    version: manifest.version,
    purl: purlOf(manifest),
    licenses: [isExpression ? { expression: manifest.license } : { license: { id: manifest.license } }],
    ...(sha512 === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] }),
  };
}

/** purl-spec, type npm: the scope's `@` is percent-encoded. */
function purlOf(manifest: PackageManifest): string {
  return `pkg:npm/${manifest.name.replace('@', '%40')}@${manifest.version}`;
}
