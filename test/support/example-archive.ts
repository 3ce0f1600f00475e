/** The example plugins as archives that are the same bytes on every machine, so that values.example.yaml can pin them. */
import { buildExamplePlugin, type ExamplePlugin } from '../../examples/plugins/build.ts';
import { npmTarball } from './tarball.ts';

/** Where RFC 1952 notes the operating system that compressed. */
const GZIP_OS_BYTE = 9;
const UNKNOWN_SYSTEM = 255;

/** Stored, not deflated: what zlib makes of a text differs between processors and versions. */
export async function exampleArchive(plugin: ExamplePlugin): Promise<Buffer> {
  const archive = npmTarball(await buildExamplePlugin(plugin), { level: 0 });
  archive[GZIP_OS_BYTE] = UNKNOWN_SYSTEM;
  return archive;
}
