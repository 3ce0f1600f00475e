/** Version of this program, from package.json; the bundle carries the value, not the file. */
import manifest from '../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
