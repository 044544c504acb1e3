/** Has a guest work in a folder of the host by 9P, and compares with what the host does there itself. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { finish, start } from '../../src/host/node/processes.ts';
import { moduleBoot } from '../guests/module-boot.ts';
import { LOAD_MODULES } from '../guests/modules.ts';
import { projectRoot } from '../source-files.ts';
import { POSIX_CASES } from './posix-cases.ts';

const PACKAGES = [
  'base-files',
  'dash',
  'coreutils',
  'grep',
  'sed',
  'perl-base',
  'git',
  'gcc',
  'libc6-dev',
  'make',
  'fio',
  'stress-ng',
];
/** stress-ng's stressors of file systems, without those that need a device or a file system of their own. */
const STRESSORS = [
  ...[
    'access',
    'chdir',
    'chmod',
    'chown',
    'copy-file',
    'dentry',
    'dir',
    'dirdeep',
    'dirmany',
    'dup',
    'eventfd',
    'fallocate',
  ],
  ...['fcntl', 'file-ioctl', 'filename', 'flock', 'fstat', 'getdent', 'hdd', 'iomix', 'link', 'lockf', 'mknod', 'open'],
  ...['readahead', 'rename', 'seek', 'sendfile', 'symlink', 'sync-file', 'touch', 'utime', 'xattr'],
];
/** stress-ng's statuses of stressors that passed, and of those that cannot run here. */
const STRESS_PASSED = ['0', '3', '4'];
const SOURCES = 24;

const HELP = `npm run guests:9p [-- OPTIONS]: has a guest work in a folder of the host by 9P.

  --only LIST        of posix,fio,stress,git (all): POSIX cases, run on the host as well and compared line by line; fio and
                     stress-ng, which verify what they read; a clone of a git repository and a program built from it
  --seconds N        for each stressor (2)
  --stressors LIST   of stress-ng's (${STRESSORS.length} that work on files)
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'posix,fio,stress,git' },
    seconds: { type: 'string', default: '2' },
    stressors: { type: 'string', default: STRESSORS.join() },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const wanted = values.only.split(',');
const stressors = values.stressors.split(',');

/** What the guest does in /mnt, which is the shared folder; each part tells its status. */
const PARTS: Readonly<Record<string, string>> = {
  posix: 'mkdir cases; perl /mnt/posix.pl /mnt/cases > /mnt/posix.guest 2> /dev/null; echo "@@ posix $?"',
  fio: `fio --name=v --directory=/mnt --rw=randrw --bsrange=512-64k --size=8M --verify=crc32c --do_verify=1 --ioengine=psync \\
  --fallocate=none --numjobs=2 --minimal > /dev/null; echo "@@ fio $?"`,
  stress: `mkdir stress; for what in ${stressors.join(' ')}; do
  stress-ng --quiet --verify --timeout ${values.seconds} --temp-path /mnt/stress --$what 1; echo "@@ stress-$what $?"; done`,
  git: `git clone -q /mnt/bare.git clone && git -C clone fsck --full --strict && test -z "$(git -C clone status --porcelain)" &&
  make -s -C clone -j2 CC=gcc && ./clone/program > /mnt/program.guest; echo "@@ git $?"`,
};

const INIT = `${LOAD_MODULES}
mkdir -p /system; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro root /system
mount -t proc proc /system/proc; mount -t sysfs sysfs /system/sys; mount -t devtmpfs devtmpfs /system/dev; mount -t tmpfs tmpfs /system/tmp
mkdir -p /system/dev/shm; mount -t tmpfs tmpfs /system/dev/shm
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 work /system/mnt
chroot /system /bin/sh /mnt/work.sh
poweroff -f`;

/** Makes a repository of a program in many files, whose output says whether all of them were built. */
function makeRepository(folder: string): void {
  const source = join(folder, 'source');
  mkdirSync(source);
  const names = Array.from({ length: SOURCES }, (_, i) => `part${i}`);
  for (const [i, name] of names.entries()) {
    writeFileSync(join(source, `${name}.c`), `int ${name}(int x) { return x * ${i + 3} + ${i * i}; }\n`);
  }
  const calls = names.map((name) => `  x = ${name}(x) % 1000003;\n`).join('');
  const declared = names.map((name) => `int ${name}(int);\n`).join('');
  writeFileSync(
    join(source, 'main.c'),
    `#include <stdio.h>\n${declared}int main(void) {\n  int x = 1;\n${calls}  printf("%d\\n", x);\n  return 0;\n}\n`,
  );
  const objects = ['main', ...names].map((name) => `${name}.o`).join(' ');
  writeFileSync(join(source, 'Makefile'), `program: ${objects}\n\t$(CC) -o $@ $^\n`);
  const git = (...args: readonly string[]) =>
    run('git', ['-C', source, '-c', 'user.name=t', '-c', 'user.email=t', ...args]);
  git('init', '-q');
  git('add', '.');
  git('commit', '-q', '-m', 'a program');
  run('git', ['clone', '-q', '--bare', source, join(folder, 'work/bare.git')]);
  run('make', ['-s', '-C', source]);
  writeFileSync(join(folder, 'program.host'), run(join(source, 'program'), []));
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** The words that start the guest. */
async function makeGuest(folder: string): Promise<string[]> {
  const tree = join(folder, 'root');
  const settings = [
    '--variant=extract',
    '--architectures=amd64',
    `--include=${PACKAGES.join(',')}`,
    '--skip=check/empty',
  ];
  const release = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  await finish(start('mmdebstrap', ['--quiet', ...settings, release, tree]));
  for (const name of ['proc', 'sys', 'dev', 'tmp', 'mnt']) mkdirSync(join(tree, name), { recursive: true });
  const { kernel, initrd } = await moduleBoot(['virtio_pci', '9pnet_virtio', '9p'], INIT);
  writeFileSync(join(folder, 'kernel'), kernel);
  writeFileSync(join(folder, 'initrd'), initrd);
  const boot = ['--kernel', join(folder, 'kernel'), '--initrd', join(folder, 'initrd')];
  const shares = ['--share', `${tree}:root`, '--share', `${join(folder, 'work')}:work`];
  return [...boot, '--append', 'quiet no_timer_check console=ttyS0', '--memory', '768M', '--net', 'none', ...shares];
}

/** What went wrong, a line each. */
function judge(folder: string, output: string): string[] {
  const told = new Map([...output.matchAll(/@@ ([\w-]+) (\d+)/g)].map(([, name, status]) => [name, status]));
  const expected = wanted.flatMap((part) => (part === 'stress' ? stressors.map((name) => `stress-${name}`) : [part]));
  const wrong = expected.flatMap((name) => {
    const status = told.get(name);
    const isFine =
      status !== undefined && (name.startsWith('stress-') ? STRESS_PASSED.includes(status) : status === '0');
    return isFine ? [] : [`${name}: ${status === undefined ? 'it did not end' : `status ${status}`}`];
  });
  if (wanted.includes('posix')) wrong.push(...differences(folder));
  const built = (name: string) => readFileSync(join(folder, name), 'latin1');
  if (told.get('git') === '0' && built('work/program.guest') !== built('program.host'))
    wrong.push('git: another output');
  return wrong;
}

/** Lines of the POSIX cases that differ from those of the host's own file system. */
function differences(folder: string): string[] {
  const cases = mkdtempSync(join(folder, 'cases-'));
  const host = run('perl', [join(folder, 'work/posix.pl'), cases]).split('\n');
  const file = join(folder, 'work/posix.guest');
  const guest = existsSync(file) ? readFileSync(file, 'latin1').split('\n') : [];
  console.log(`${host.length - 1} cases of POSIX`);
  return host.flatMap((line, i) => (line === guest[i] ? [] : [`host ${line}; guest ${guest[i] ?? 'nothing'}`]));
}

const folder = mkdtempSync(join(tmpdir(), 'vitrine-share-'));
try {
  mkdirSync(join(folder, 'work'));
  makeRepository(folder);
  writeFileSync(join(folder, 'work/posix.pl'), POSIX_CASES);
  const script = `export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
cd /mnt
${wanted.map((part) => PARTS[part] ?? '').join('\n')}
`;
  writeFileSync(join(folder, 'work/work.sh'), script);
  const guest = spawnSync(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', ...(await makeGuest(folder))], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
  const wrong = judge(folder, guest.stdout);
  console.log(wrong.length === 0 ? `all is well: ${wanted.join(', ')}` : wrong.join('\n'));
  if (wrong.length > 0) console.log(guest.stdout.slice(-4000) + guest.stderr);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
