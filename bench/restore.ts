// Measures how long a saved machine takes to go on, from the start of the process to the echo of a line that is typed:
// `npm run bench:restore`. The file is in the host's cache.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptOptions } from '../test/script-options.ts';
import { median } from './median.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
const NAME = 'bench';
const PROMPT = /:\/root# /;
/** A line that says what its echo does not. */
const LINE = "echo ans''wer\n";
const ECHO = "ans''wer";
const ANSWER = /^answer/m;
/** Starts that fill caches, which those do that end in order, and are not counted. */
const UNCOUNTED = 2;

function start(args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  return spawn(process.execPath, [LAUNCHER, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Resolves when a machine's line has said something; gives the text since before. @throws {Error} it ends before */
function seen(machine: ChildProcess, wanted: RegExp | string): Promise<void> {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listen = (bytes: Buffer) => {
    text += bytes.toString('latin1');
    if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) resolve();
  };
  machine.stdout?.on('data', listen);
  machine.once('exit', () => reject(new Error(`the machine has ended: ${text}`)));
  return promise;
}

async function end(machine: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const ended = once(machine, 'exit');
  machine.kill(signal);
  await ended;
}

/** Boots the default guest and saves it at its prompt. */
async function save(file: string, folder: string, memory: string): Promise<void> {
  const env = { ...process.env, XDG_RUNTIME_DIR: folder };
  const machine = start(['run', '--name', NAME, '--memory', memory], env);
  await seen(machine, PROMPT);
  const saving = start(['snapshot', 'create', NAME, file], env);
  const [status] = await once(saving, 'exit');
  await end(machine);
  if (status !== 0) throw new Error('the machine could not be saved');
}

/** How long one restore took, in milliseconds from the start of the process. */
interface Restore {
  readonly echo: number;
  readonly answer: number;
  /** What of the time to the echo its main thread had a processor, and what it waited for one; NaN where the host does not tell. */
  readonly ran: number;
  readonly waited: number;
}

/** @param ending with which the machine is ended then */
async function restore(file: string, ending?: NodeJS.Signals): Promise<Restore> {
  const began = performance.now();
  const machine = start(['run', '--snapshot', file]);
  machine.stdin?.write(LINE);
  const passed = () => performance.now() - began;
  try {
    const toEcho = seen(machine, ECHO).then(() => ({ echo: passed(), ...schedulingOf(machine.pid ?? 0) }));
    const [echo, answer] = await Promise.all([toEcho, seen(machine, ANSWER).then(passed)]);
    return { ...echo, answer };
  } finally {
    await end(machine, ending);
  }
}

/** What Linux says of a process's main thread. */
function schedulingOf(pid: number): Pick<Restore, 'ran' | 'waited'> {
  try {
    const [ran = Number.NaN, waited = Number.NaN] = readFileSync(`/proc/${pid}/schedstat`, 'utf8')
      .split(' ')
      .map(Number);
    return { ran: ran / 1e6, waited: waited / 1e6 };
  } catch {
    return { ran: Number.NaN, waited: Number.NaN };
  }
}

const ROWS: readonly (readonly [name: string, of: (restore: Restore) => number])[] = [
  ['to the echo of a line', ({ echo }) => echo],
  ['  its main thread ran', ({ ran }) => ran],
  ['  and waited to run', ({ waited }) => waited],
  ['to the answer', ({ answer }) => answer],
];

function tell(name: string, values: readonly number[]): void {
  const all = values.map((value) => value.toFixed(0)).join(' ');
  console.log(`${name}: ${median(values).toFixed(0)} ms (${all})`);
}

const USAGE = {
  command: 'npm run bench:restore',
  about: 'how long it takes to go on from a snapshot',
  example: '--memory 512M --repetitions 5',
};
const OPTIONS = {
  snapshot: { value: 'FILE', about: 'a saved machine; one is made without it' },
  memory: { value: 'SIZE', about: 'of the machine that is made', default: '256M' },
  repetitions: { value: 'N', about: 'how often', default: '9' },
} as const;

async function main(): Promise<void> {
  const values = scriptOptions(USAGE, OPTIONS);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-restore-bench-'));
  try {
    const file = values.snapshot ?? join(folder, 'saved');
    if (values.snapshot === undefined) await save(file, folder, values.memory);
    for (let run = 0; run < UNCOUNTED; run++) await restore(file, 'SIGTERM');
    const load = loadavg()[0]?.toFixed(1);
    const runs: Restore[] = [];
    for (let run = 0; run < Number(values.repetitions); run++) runs.push(await restore(file));
    console.log(`${runs.length} restores, load ${load}`);
    for (const [name, of] of ROWS) tell(name, runs.map(of));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
