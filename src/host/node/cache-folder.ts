import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder for what this project can make again (XDG Base Directory Specification, `XDG_CACHE_HOME`). */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vitrine');
}
