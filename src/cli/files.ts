import { readFileSync } from 'node:fs';
import { openBootFile } from '../host/node/boot-file.ts';
import type { BootFile } from '../vm/index.ts';
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
export function readOptionFile(file: FileOption): Uint8Array {
  try {
    return readFileSync(file.path);
  } catch (error) {
    throw whyUnreadable(file, error);
  }
}

/** As {@link readOptionFile}, for what a machine boots: a file whose bytes it need not keep. @throws {CliError} it is missing or unreadable */
export function openOptionFile(file: FileOption): BootFile | Uint8Array {
  try {
    return openBootFile(file.path);
  } catch (error) {
    throw whyUnreadable(file, error);
  }
}

/** What to say of a file that an option names and that could not be opened or read. */
export function whyUnreadable({ option, path }: FileOption, error: unknown, expected = 'a readable file'): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return new CliError(STATUS.failed, `${option}: ${message}`, { cause: error });
  const status = code === 'ENOENT' || code === 'ENOTDIR' ? STATUS.missing : STATUS.failed;
  const found = `${quote(path)}, ${FINDINGS[code] ?? message}`;
  return new CliError(status, `${option}: found ${found}, expected ${expected}`, { cause: error });
}
