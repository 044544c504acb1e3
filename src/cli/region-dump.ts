import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { whyUnreadable } from './files.ts';

const NUMBER_DIGITS = 5;

/**
 * Writes regions to a folder, one text file each, numbered in the order of their translation.
 * @returns what takes a region's name and text
 * @throws {CliError} the folder cannot be made
 */
export function openRegionDump(folder: string): (name: string, text: string) => void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw whyUnreadable({ option: '--dump-regions', path: folder }, error, 'a folder to write to');
  }
  let count = 0;
  return (name, text) => {
    count++;
    writeFileSync(join(folder, `${String(count).padStart(NUMBER_DIGITS, '0')}-${name}.txt`), text);
  };
}
