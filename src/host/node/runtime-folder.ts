import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Permissions that others have. */
const OTHERS = 0o077;

/** Where the sockets of this user's machines are. */
export function runtimeFolder(): string {
  const { XDG_RUNTIME_DIR } = process.env;
  return XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, 'vitrine') : join(tmpdir(), `vitrine-${userInfo().uid}`);
}

/** Makes the folder, for this user alone. @returns its path  @throws {Error} it is another user's, or others can get at it */
export async function makeRuntimeFolder(): Promise<string> {
  const folder = runtimeFolder();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const own = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !own || (process.platform !== 'win32' && found.mode & OTHERS)) {
    throw new Error(`${folder} is not a folder of this user alone (mode 0700)`);
  }
  return folder;
}
