import { open } from 'node:fs/promises';

/** Text of a file of at most `maxBytes`, undefined for a larger one; a device that never ends is left early. Throws the file system's error. */
export async function readBoundedText(path: string, maxBytes: number): Promise<string | undefined> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(maxBytes + 1);
  let size = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, size, buffer.length - size);
    size += bytesRead;
    if (size > maxBytes) return undefined;
    if (bytesRead === 0) return buffer.toString('utf8', 0, size);
  }
}
