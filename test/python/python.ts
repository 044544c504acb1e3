/** Runs Python's own tests in a Debian guest and on the host, and compares case by case. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Architecture, debianKernel } from '../guests/debian.ts';
import { packRoot } from '../guests/debian-root.ts';
import { projectRoot } from '../source-files.ts';
import { differences, type Outcome, parseReport, type Report } from './report.ts';
import { makeRoot } from './root.ts';
import { guestInit } from './suite-script.ts';

const MODULES = [
  ['test_int', 'test_float', 'test_math', 'test_struct', 'test_decimal'],
  ['test_re', 'test_json', 'test_zlib', 'test_hashlib', 'test_threading'],
].flat();
const KERNELS: Readonly<Record<Architecture, string>> = {
  amd64: 'linux-image-cloud-amd64',
  i386: 'linux-image-686-pae',
};
const MEMORY = '1536M';

const HELP = `npm run guests:python [-- OPTIONS]: runs Python's own tests in a Debian guest and on the host, and compares case by case.

  --architecture NAME   amd64 or i386; may be repeated (both)
  --modules LIST        of Python's test modules (${MODULES.length} of them)
  --accel NAME          interp, which takes hours, or jit (interp)
`;

const { values } = parseArgs({
  options: {
    architecture: { type: 'string', multiple: true, default: ['amd64', 'i386'] },
    modules: { type: 'string', default: MODULES.join(',') },
    accel: { type: 'string', default: 'interp' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const modules = values.modules.split(',');

/** Runs a program whose output goes to this process's, to its end. */
function runToEnd(program: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
}

/** Runs the suite natively, with the root folder as its root: in namespaces, so that no privilege is needed. */
async function runOnHost(root: string): Promise<Report> {
  const script = `mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" /suite /results "$@"`;
  await runToEnd('unshare', ['--map-root-user', '--mount', 'sh', '-c', script, root, ...modules]);
  return parseReport(await readFile(join(root, 'results'), 'utf8'));
}

async function runInGuest(architecture: Architecture, initrd: Uint8Array, folder: string): Promise<Report> {
  const path = (name: string) => join(folder, name);
  await writeFile(path('kernel'), await debianKernel(architecture, KERNELS[architecture]));
  await writeFile(path('initrd'), initrd);
  const boot = ['--kernel', path('kernel'), '--initrd', path('initrd'), '--append', 'console=ttyS0 quiet'];
  const serial = ['--serial', 'stdio', '--serial', `file:${path('results')}`];
  const machine = ['--memory', MEMORY, '--accel', values.accel, '--no-reboot', '--stats'];
  const vitrine = join(projectRoot, 'bin/vitrine');
  const status = await runToEnd(process.execPath, [vitrine, 'run', ...boot, ...serial, ...machine]);
  if (status !== 0) process.stdout.write(`the guest ended with status ${status}\n`);
  return parseReport((await readFile(path('results'), 'utf8')).replaceAll('\r', ''));
}

const count = (cases: ReadonlyMap<string, Outcome>, outcome: Outcome) =>
  [...cases.values()].filter((found) => found === outcome).length;

/** Prints a row a module. @returns how many cases differ */
function printTable(architecture: Architecture, host: Report, guest: Report): number {
  let different = 0;
  for (const module of modules) {
    const [expected, actual] = [host.get(module) ?? new Map(), guest.get(module) ?? new Map()];
    const lines = differences(expected, actual);
    different += lines.length + (actual.size === 0 ? 1 : 0);
    const counts = (['passed', 'failed', 'skipped'] as const).map((outcome) => `${count(actual, outcome)} ${outcome}`);
    const verdict = lines.length === 0 && actual.size > 0 ? 'as on the host' : 'DIFFERENT';
    process.stdout.write(`${architecture.padEnd(6)} ${module.padEnd(15)} ${counts.join(', ')}: ${verdict}\n`);
    for (const line of lines) process.stdout.write(`    ${line}\n`);
  }
  return different;
}

async function compare(architecture: Architecture): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-python-'));
  const root = join(folder, 'root');
  try {
    await makeRoot(architecture, root);
    const initrd = await packRoot(root, guestInit(modules));
    const host = await runOnHost(root);
    const guest = await runInGuest(architecture, initrd, folder);
    return printTable(architecture, host, guest);
  } finally {
    await rm(folder, { recursive: true });
  }
}

let different = 0;
for (const architecture of values.architecture) different += await compare(architecture as Architecture);
process.exitCode = different === 0 ? 0 : 1;
