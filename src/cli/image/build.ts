import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { copyDisk } from '../../disk/copy.ts';
import { createTarget, size } from '../../disk/create.ts';
import { openDriver } from '../../disk/open.ts';
import { hostProxies, hostSources } from '../../host/node/debian-sources.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { finish, ProgramError, start } from '../../host/node/processes.ts';
import { CliError, STATUS, UsageError } from '../errors.ts';
import { shellQuote } from '../shell-words.ts';
import { quote } from '../values.ts';
import {
  type DebianSystem,
  GRUB_BOOT,
  GRUB_CORE,
  GRUB_FOLDER,
  newFileSystemId,
  PARTITION_START_BYTES,
  packagesOf,
  partitionTable,
  setUpCommands,
} from './debian-system.ts';
import { withProgress } from './output.ts';
import { readSshKeys } from './ssh-keys.ts';

/** What `build` is told besides the system's name and the file. */
export interface BuildOptions {
  readonly arch?: string;
  readonly packages?: string;
  readonly size?: string;
  readonly user?: string;
  readonly sshKey?: readonly string[];
  readonly hostname?: string;
  readonly suite?: string;
  readonly outputFormat?: string;
  readonly progress?: boolean;
}

/** A release of Debian. */
interface Release {
  /** Its code name. */
  readonly name: string;
  /** Lines of a sources.list; none: mmdebstrap knows where. */
  readonly sources: readonly string[];
}

const DEFAULT_SIZE = '2G';
const LEAST_BYTES = 1 << 30;
const NAME = /^[a-z][a-z0-9-]*$/;
const NAME_EXPECTED = 'a name of lower-case letters and digits';
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]*$/;
/** Bytes of GRUB's boot sector in front of the partition table, and where its core lies. */
const BOOT_CODE_BYTES = 440;
const CORE_OFFSET = 512;
const TABLE_OFFSET = 446;

/** What complaints of mmdebstrap and apt begin with. */
const COMPLAINT = 'E: ';

/** How far the work is when mmdebstrap says that it begins with this. */
const STAGES: readonly (readonly [begins: RegExp, fraction: number])[] = [
  [/running apt-get update/, 0.02],
  [/downloading packages with apt/, 0.05],
  [/extracting archives/, 0.2],
  [/installing essential packages/, 0.25],
  [/downloading apt|downloading .*important|installing remaining packages/, 0.35],
  [/running --customize-hook/, 0.85],
  [/cleaning package lists|success/, 0.95],
];

/** `vitrine image build debian`: a disk that boots, made of the packages of this host's own Debian source. */
export async function build(system: string, file: string, options: BuildOptions): Promise<number> {
  if (system !== 'debian') throw new UsageError('image build', quote(system), 'debian');
  const { size: wantedSize = DEFAULT_SIZE } = options;
  const sizeBytes = size(wantedSize);
  if (sizeBytes < LEAST_BYTES) throw new UsageError('--size', wantedSize, 'at least 1G');
  const wanted = await readSystem(options);
  const release = await chooseRelease(options.suite);
  // Beside the target, whose file system has room for it, and open to the one who is root in mmdebstrap's name space.
  const folder = await mkdtemp(join(dirname(resolve(file)), '.vitrine-build-'));
  try {
    await chmod(folder, 0o711);
    await withProgress('building', options.progress, async (progress) => {
      const raw = await makeDisk(wanted, release, sizeBytes, folder, progress);
      await convert(raw, file, options.outputFormat ?? 'qcow2', sizeBytes);
    });
  } catch (error) {
    if (error instanceof ProgramError) throw new CliError(STATUS.failed, explain(error.message), { cause: error });
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return STATUS.ok;
}

async function readSystem(options: BuildOptions): Promise<DebianSystem> {
  const { arch = 'amd64', user, hostname = 'debian' } = options;
  const packages = (options.packages ?? '').split(',').filter((name) => name !== '');
  if (arch !== 'amd64' && arch !== 'i386') throw new UsageError('--arch', quote(arch), 'amd64 or i386');
  for (const name of packages)
    if (!PACKAGE_NAME.test(name)) throw new UsageError('--packages', quote(name), "a package's name");
  if (user !== undefined && !NAME.test(user)) throw new UsageError('--user', quote(user), NAME_EXPECTED);
  if (!NAME.test(hostname)) throw new UsageError('--hostname', quote(hostname), NAME_EXPECTED);
  const sshKeys = await readSshKeys(options.sshKey);
  return { architecture: arch, packages, hostName: hostname, user, sshKeys, fileSystemId: newFileSystemId() };
}

/** The wanted release, or this host's, and where its packages come from. */
async function chooseRelease(wanted: string | undefined): Promise<Release> {
  const own = await releaseOfHost();
  const name = wanted ?? own;
  if (name !== undefined) return { name, sources: await hostSources(name, own) };
  throw new CliError(STATUS.failed, 'this host is no Debian, whose package source could be used: give --suite NAME');
}

/** @returns undefined where the host is no Debian */
async function releaseOfHost(): Promise<string | undefined> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID=debian$/m.test(text) ? /^VERSION_CODENAME=(.+)$/m.exec(text)?.[1] : undefined;
}

/** @returns the path of a raw image */
async function makeDisk(
  system: DebianSystem,
  release: Release,
  sizeBytes: number,
  folder: string,
  progress: (fraction: number) => void,
): Promise<string> {
  const disk = join(folder, crypto.randomUUID());
  const handle = await open(disk, 'wx', 0o666);
  await handle.chmod(0o666);
  try {
    await handle.truncate(sizeBytes);
    await runMmdebstrap(system, release, makeFileSystem(system, disk, sizeBytes), folder, progress);
    const [boot, core] = await Promise.all([GRUB_BOOT, GRUB_CORE].map((name) => readFile(join(folder, name))));
    if (CORE_OFFSET + core.length > PARTITION_START_BYTES) throw new ProgramError('GRUB is larger than its place');
    await handle.write(boot, 0, BOOT_CODE_BYTES, 0);
    const table = partitionTable(sizeBytes);
    await handle.write(table, 0, table.length, TABLE_OFFSET);
    await handle.write(core, 0, core.length, CORE_OFFSET);
  } finally {
    await handle.close();
  }
  return disk;
}

/** The command that makes a file system of the root folder `$1`, without what is mounted in it, such as /proc. */
function makeFileSystem({ fileSystemId }: DebianSystem, disk: string, sizeBytes: number): string {
  const kibibytes = Math.floor((sizeBytes - PARTITION_START_BYTES) / 1024);
  const options = `-q -F -t ext4 -L debian -U ${fileSystemId} -E offset=${PARTITION_START_BYTES}`;
  const make = `PATH=$PATH:/usr/sbin:/sbin mke2fs ${options} -d "$1/mnt" ${shellQuote(disk)} ${kibibytes}k`;
  return `mount --bind "$1" "$1/mnt" && ${make} && umount "$1/mnt"`;
}

/** Installs the packages into a folder of its own. It finds a way that this user may go: root, or a user name space. */
async function runMmdebstrap(
  system: DebianSystem,
  release: Release,
  makeFileSystem: string,
  folder: string,
  progress: (fraction: number) => void,
): Promise<void> {
  const fetched = [GRUB_BOOT, GRUB_CORE].map((name) => `copy-out ${GRUB_FOLDER}/${name} ${shellQuote(folder)}`);
  const hooks = [...setUpCommands(system), ...fetched, 'rm -rf "$1"/var/cache/apt/archives/*.deb', makeFileSystem];
  const settings = [
    '--variant=minbase',
    `--architectures=${system.architecture}`,
    `--include=${packagesOf(system).join(',')}`,
  ];
  // Processors of amd64 execute i386 as it is: nothing needs to be checked, nor installed for that.
  const isNative = system.architecture === 'i386' && process.arch === 'x64';
  const skipped = isNative ? ['--skip=check/qemu'] : [];
  const all = [...settings, ...skipped, '--format=null', ...hooks.map((hook) => `--customize-hook=${hook}`)];
  const env = { ...(await hostProxies()), ...process.env, LC_ALL: 'C.UTF-8' };
  const child = start('mmdebstrap', [...all, release.name, '-', ...release.sources], { env });
  let complaint: string | undefined;
  if (child.stderr)
    createInterface(child.stderr).on('line', (line) => {
      const stage = STAGES.findLast(([begins]) => begins.test(line));
      if (stage) progress(stage[1]);
      if (line.startsWith(COMPLAINT)) complaint ??= line.slice(COMPLAINT.length);
    });
  await finish(child).catch((error: unknown) => {
    // Its last line says no more than that it failed, its first complaint why.
    throw complaint === undefined ? error : new ProgramError(`mmdebstrap failed: ${complaint}`);
  });
}

async function convert(raw: string, file: string, format: string, sizeBytes: number): Promise<void> {
  const source = await openDriver(raw, { format: 'raw', readOnly: true }, nodeDiskHost);
  try {
    const target = await createTarget(file, { format, sizeBytes }, nodeDiskHost);
    await copyDisk(source, target, { targetIsZero: true }).finally(() => target.close());
  } finally {
    await source.close();
  }
}

/** Says what to install where a tool is missing. */
function explain(message: string): string {
  const advice = 'install mmdebstrap and e2fsprogs';
  return /is not on this host|mke2fs: not found|mke2fs: command not found/.test(message)
    ? `image build: ${message}: ${advice}`
    : `image build: ${message}`;
}
