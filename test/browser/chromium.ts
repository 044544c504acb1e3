import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const QUIET = ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'];

/** The name of a Chromium on this host, if there is one. */
export function findChromium(): string | undefined {
  return NAMES.find((name) => spawnSync(name, ['--version']).status === 0);
}

/** A Chromium without a window, with a profile of its own. */
export class Chromium {
  readonly #profile = mkdtempSync(join(tmpdir(), 'vitrine-chromium-'));
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** Opens a page. @param program as {@link findChromium} names it  @param options more of Chromium's own */
  constructor(program: string, address: string, options: readonly string[] = []) {
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const args = ['--headless=new', `--user-data-dir=${this.#profile}`, ...QUIET, ...sandbox, ...options, address];
    this.#process = spawn(program, args, { stdio: 'ignore', detached: true });
    this.#ended = once(this.#process, 'exit');
  }

  /** The folder that holds everything it keeps. */
  get profile(): string {
    return this.#profile;
  }

  /** Of the process whose children do the browser's work. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Ends the browser, all of its processes, and removes its profile. */
  async close(): Promise<void> {
    if (this.#process.exitCode === null) process.kill(-(this.#process.pid ?? 0), 'SIGKILL');
    await this.#ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
