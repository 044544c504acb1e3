import { readFile } from 'node:fs/promises';

/** Reads the keys of files such as `authorized_keys`, a line each. @throws {Error} one cannot be read */
export async function readSshKeys(paths: readonly string[] = []): Promise<string[]> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  return texts
    .flatMap((text) => text.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
