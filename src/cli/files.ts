import { readFileSync } from 'node:fs';
import { CliError, STATUS } from './errors.ts';
import type { FileOption } from './run-options.ts';
import { quote } from './values.ts';

/** What is wrong with a file, by the code of the system's error. */
const FINDINGS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EISDIR: 'a directory',
  EACCES: 'a file without permission to read it',
};

/** Reads a file that an option names, in this thread: what else a start does would make it wait for its pieces.
 * @throws {CliError} it is missing or unreadable */
export function readOptionFile({ option, path }: FileOption): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const status = code === 'ENOENT' || code === 'ENOTDIR' ? STATUS.missing : STATUS.failed;
    const found = `${quote(path)}, ${FINDINGS[code] ?? message}`;
    throw new CliError(status, `${option}: found ${found}, expected a readable file`, { cause: error });
  }
}
