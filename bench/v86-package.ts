import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../src/host/node/cache-folder.ts';

const VERSION = '0.5.462';

/** v86's version; fetches it from npm the first time. @throws {Error} npm cannot fetch it */
export function readV86Version(): string {
  return JSON.parse(readFileSync(join(v86Folder(), 'package.json'), 'utf8')).version;
}

/** The folder of the v86 package, kept in this project's cache. @throws {Error} npm cannot fetch it */
export function v86Folder(): string {
  const home = join(cacheFolder(), 'bench', `v86-${VERSION}`);
  const folder = join(home, 'node_modules', 'v86');
  if (!existsSync(folder)) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
    execFileSync('npm', ['install', ...options, `v86@${VERSION}`], { cwd: home, stdio: ['ignore', 'ignore', 2] });
  }
  return folder;
}
