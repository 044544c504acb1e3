/** Boots Linux with several processors and has stress-ng verify what they compute together. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { start } from '../../src/host/node/processes.ts';
import { type Architecture, debianKernel } from '../guests/debian.ts';
import { makeDebianRoot, packRoot } from '../guests/debian-root.ts';
import { projectRoot } from '../source-files.ts';

const KERNELS: Readonly<Record<Architecture, string>> = {
  amd64: 'linux-image-cloud-amd64',
  i386: 'linux-image-686-pae',
};
/** stress-ng and what it is linked with. */
const PACKAGES = [
  ...['busybox-static', 'stress-ng', 'libc6', 'libgcc-s1', 'libcrypt1', 'zlib1g', 'liblzma5', 'libzstd1', 'libssl3'],
  ...['libapparmor1', 'libbsd0', 'libmd0', 'libjpeg62-turbo', 'libjudydebian1', 'libkmod2', 'libsctp1', 'libxxhash0'],
  ...['libegl1', 'libglvnd0', 'libgles2', 'libgbm1', 'libdrm2', 'libexpat1', 'libffi8', 'libwayland-server0'],
  ...['libxcb1', 'libxcb-randr0', 'libxau6', 'libxdmcp6'],
];
const PACKAGES_OF: Readonly<Record<Architecture, readonly string[]>> = { amd64: ['libipsec-mb1'], i386: [] };
const MEMORY = '768M';

/** What is run, by name: options of stress-ng, which checks its results. `N` is the number of processors. */
const STRESSORS: Readonly<Record<string, string>> = {
  cpu: '--cpu N',
  memory: '--vm N --vm-bytes 16M --memcpy 1 --malloc 1 --malloc-bytes 16M --matrix N',
  pipe: '--pipe N',
  futex: '--futex N',
};

const HELP = `npm run guests:smp [-- OPTIONS]: boots Linux with several processors and has stress-ng verify what they compute together.

  --architecture NAME   amd64 or i386; may be repeated (both)
  --cpus LIST           how many processors (2,4)
  --seconds N           for each of ${Object.keys(STRESSORS).join(', ')} (10)
  --accel NAME          jit or interp (jit)
`;

const { values } = parseArgs({
  options: {
    architecture: { type: 'string', multiple: true, default: ['amd64', 'i386'] },
    cpus: { type: 'string', default: '2,4' },
    seconds: { type: 'string', default: '10' },
    accel: { type: 'string', default: 'jit' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}

/** The guest's init: tells its processors, runs each stressor, tells its status, and powers off. */
function guestInit(seconds: string): string {
  const runs = Object.entries(STRESSORS).map(
    ([name, options]) =>
      `stress-ng --verify --timeout ${seconds} --temp-path /tmp ${options.replaceAll('N', '$cpus')}\necho "@@ ${name} $?"`,
  );
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
cpus=$(grep -c ^processor /proc/cpuinfo)
echo "@@ processors $cpus"
${runs.join('\n')}
poweroff -f
`;
}

/** @returns what a program has printed, however it ended */
async function runToEnd(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = start(program, args);
  const [output, complaints] = await Promise.all([stdout, stderr].map((stream) => (stream ? text(stream) : '')));
  return output + complaints;
}

/** @returns what went wrong, a line each */
function judge(output: string, cpus: string): string[] {
  const told = new Map([...output.matchAll(/@@ (\w+) (\d+)/g)].map(([, name, value]) => [name, value]));
  const wrong = told.get('processors') === cpus ? [] : [`the guest sees ${told.get('processors')} processors`];
  for (const name of Object.keys(STRESSORS)) {
    const status = told.get(name);
    if (status !== '0')
      wrong.push(status === undefined ? `${name} did not end` : `${name} ended with status ${status}`);
  }
  return wrong;
}

async function run(architecture: Architecture, cpus: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-smp-'));
  const path = (name: string) => join(folder, name);
  try {
    await makeDebianRoot(architecture, [...PACKAGES, ...PACKAGES_OF[architecture]], path('root'));
    await writeFile(path('initrd'), await packRoot(path('root'), guestInit(values.seconds)));
    await writeFile(path('kernel'), await debianKernel(architecture, KERNELS[architecture]));
    const boot = ['--kernel', path('kernel'), '--initrd', path('initrd'), '--append', 'console=ttyS0 quiet'];
    const machine = ['--cpus', cpus, '--memory', MEMORY, '--accel', values.accel, '--no-reboot', '--timeout', '1800'];
    const vitrine = join(projectRoot, 'bin/vitrine');
    process.stdout.write(`${architecture} with ${cpus} processors …\n`);
    const output = await runToEnd(process.execPath, [vitrine, 'run', ...boot, ...machine]);
    const wrong = judge(output, cpus);
    process.stdout.write(
      `${architecture} with ${cpus} processors: ${wrong.length === 0 ? 'verified' : wrong.join(', ')}\n`,
    );
    if (wrong.length > 0) process.stdout.write(output);
    return wrong.length === 0;
  } finally {
    await rm(folder, { recursive: true });
  }
}

let failed = 0;
for (const architecture of values.architecture) {
  for (const cpus of values.cpus.split(',')) if (!(await run(architecture as Architecture, cpus))) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
