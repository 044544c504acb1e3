import { Command, CommanderError, Option } from 'commander';
import { CliError, STATUS } from '../errors.ts';
import { quiet } from '../quiet-command.ts';

const EXAMPLES = `
Examples:
  vitrine image create -f qcow2 disk.qcow2 20G
  vitrine image create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2
  vitrine image info --backing-chain overlay.qcow2
  vitrine image convert -p -c -O qcow2 disk.vmdk disk.qcow2
  vitrine image convert -O vmdk -o subformat=streamOptimized disk.qcow2 disk.vmdk
  vitrine image resize disk.qcow2 +5G
  vitrine image check -r leaks disk.qcow2
  vitrine image compare disk.raw disk.qcow2
  vitrine image rebase -b other.qcow2 -F qcow2 overlay.qcow2
  vitrine image pack folder disc.iso
  vitrine image pack -f fat --size 1440k folder floppy.img
  vitrine image import appliance.ova
  vitrine image export --memory 1G --bus virtio --net virtio debian.qcow2 debian.ova
  vitrine image build debian --packages openssh-server --user me debian.qcow2
  vitrine image seed --user-data user.yaml --ssh-key ~/.ssh/id_ed25519.pub --hostname guest seed.iso

Words, options and exit statuses are those of qemu-img. Sizes are bytes, or as 64k, 512M, 20G.
Exit status: 0 done; 1 failed. compare: 0 identical, 1 different, 2 failed.
check: 0 in order, 1 failed, 2 corrupt, 3 leaked clusters, 63 not for this format.
`;

/** The status of a `compare` that could not be done. */
const COMPARE_FAILED = 2;

type Options = Readonly<Record<string, unknown>>;
type Action = (files: readonly (string | undefined)[], options: Options) => Promise<number>;

/** One verb of `vitrine image`. */
interface Verb {
  readonly name: string;
  readonly files: string;
  readonly description: string;
  readonly options: readonly (readonly [flags: string, description: string])[];
  readonly action: Action;
}

const FORMAT = ['-f, --format <FMT>', 'format of the image; without it, its content tells'] as const;
const SHARED = ['-U, --force-share', 'read the image even while someone writes it'] as const;
const PROGRESS = ['-p, --progress', 'show how far it is'] as const;
const JSON_OUTPUT = [
  ['--output <WAY>', 'human or json'],
  ['--json', 'the same as --output json'],
] as const;
const QUIET = ['-q, --quiet', 'print errors only'] as const;
const OPTIONS = ['-o, --options <LIST>', 'options of the new image: name=value,…'] as const;
const BACKING = [
  ['-b, --backing <FILE>', 'what the image lies on'],
  ['-F, --backing-format <FMT>', 'format of that'],
] as const;

const changing = async () => import('./change.ts');
const making = async () => import('./make.ts');
const judging = async () => import('./judge.ts');

/** An option's value as the verb expects it: the command line's parser has checked what there is. */
const as = <Expected>(options: Options) => options as unknown as Expected;

const VERBS: readonly Verb[] = [
  {
    name: 'create',
    files: '<FILE> [SIZE]',
    description: 'Make a new image.',
    options: [['-f, --format <FMT>', 'raw, qcow2, vmdk, vdi, vpc or vhdx'], ...BACKING, OPTIONS, QUIET],
    action: async ([file = '', size], options) => (await changing()).create(file, size, as(options)),
  },
  {
    name: 'info',
    files: '<FILE>',
    description: 'Tell about an image.',
    options: [FORMAT, ['--backing-chain', 'and about all it lies on'], SHARED, ...JSON_OUTPUT],
    action: async ([file = ''], options) => (await import('./facts.ts')).info(file, as(options)),
  },
  {
    name: 'convert',
    files: '<SOURCE> <TARGET>',
    description: 'Copy a disk into an image of another format.',
    options: [
      FORMAT,
      ['-O, --output-format <FMT>', 'format of the target: raw, qcow2, vmdk, vdi, vpc or vhdx'],
      ['-B, --backing <FILE>', 'what the target lies on'],
      ['-F, --backing-format <FMT>', 'format of that'],
      OPTIONS,
      ['-c, --compress', 'compress the target (qcow2)'],
      ['-l, --snapshot <NAME>', 'copy a snapshot inside the source: its ID or name'],
      ['-n, --no-create', 'the target is there already'],
      ['-S, --sparse <SIZE>', 'leave out runs of zeros from this size on; 0 for none (default 4k)'],
      PROGRESS,
      SHARED,
      QUIET,
    ],
    action: async ([source = '', target = ''], options) => (await changing()).convert(source, target, as(options)),
  },
  {
    name: 'resize',
    files: '<FILE> <SIZE>',
    description: 'Change the size of a disk: to a size, or by +SIZE or -SIZE.',
    options: [FORMAT, ['--shrink', 'allow a smaller size'], QUIET],
    action: async ([file = '', size = ''], options) => (await changing()).resize(file, size, as(options)),
  },
  {
    name: 'check',
    files: '<FILE>',
    description: 'Look for defects, and repair them.',
    options: [FORMAT, ['-r, --repair <WHAT>', 'leaks or all'], SHARED, QUIET, ...JSON_OUTPUT],
    action: async ([file = ''], options) => (await judging()).check(file, as(options)),
  },
  {
    name: 'compare',
    files: '<FILE1> <FILE2>',
    description: 'Compare what two disks hold.',
    options: [
      FORMAT,
      ['-F, --second-format <FMT>', 'format of the second image'],
      ['-s, --strict', 'their sizes must be equal too'],
      PROGRESS,
      SHARED,
      QUIET,
      ...JSON_OUTPUT,
    ],
    action: async ([first = '', second = ''], options) => (await judging()).compare(first, second, as(options)),
  },
  {
    name: 'map',
    files: '<FILE>',
    description: 'List which parts of a disk are where.',
    options: [FORMAT, SHARED, ...JSON_OUTPUT],
    action: async ([file = ''], options) => (await judging()).map(file, as(options)),
  },
  {
    name: 'commit',
    files: '<FILE>',
    description: 'Write what an image has over its backing file into that.',
    options: [FORMAT, ['-d, --keep', 'leave the image as it is'], PROGRESS, QUIET],
    action: async ([file = ''], options) => (await changing()).commit(file, as(options)),
  },
  {
    name: 'rebase',
    files: '<FILE>',
    description: 'Put an image onto another backing file; an empty name makes it complete in itself.',
    options: [
      FORMAT,
      ['-b, --backing <FILE>', 'what the image is to lie on'],
      ['-F, --backing-format <FMT>', 'format of that'],
      ['-u, --unsafe', 'change the name alone: the content must be the same'],
      PROGRESS,
      QUIET,
    ],
    action: async ([file = ''], options) => (await changing()).rebase(file, { backing: '', ...as<object>(options) }),
  },
  {
    name: 'snapshot',
    files: '<FILE>',
    description: 'List the snapshots inside an image.',
    options: [FORMAT, ['-l, --list', 'list them: the default'], SHARED, ...JSON_OUTPUT],
    action: async ([file = ''], options) => (await import('./snapshots.ts')).list(file, as(options)),
  },
  {
    name: 'pack',
    files: '<FOLDER> <FILE>',
    description: 'Make a disc or a FAT disk with the content of a folder.',
    options: [
      ['-f, --format <FMT>', 'iso, with Joliet and Rock Ridge: the default; or fat'],
      ['--label <LABEL>', "the volume's name; without it, the folder's"],
      ['--size <SIZE>', 'of the FAT disk; 1440k and other sizes of floppies make floppies'],
      PROGRESS,
    ],
    action: async ([folder = '', file = ''], options) => (await making()).pack(folder, file, as(options)),
  },
  {
    name: 'seed',
    files: '<FILE>',
    description: 'Make the disc by which cloud-init in a guest is told what to set up.',
    options: [
      ['--user-data <FILE>', 'a #cloud-config document or a script'],
      ['--ssh-key <FILE>', 'a public key for the default user; may be given more than once'],
      ['--hostname <NAME>', "the guest's name"],
      ['--network-config <FILE>', "in cloud-init's format"],
      ['--instance-id <ID>', 'another one makes cloud-init run again'],
    ],
    action: async ([file = ''], options) => (await making()).seed(file, as(options)),
  },
  {
    name: 'import',
    files: '<FILE>',
    description: 'Make disks of an OVA, or of an OVF descriptor and the files beside it, and say how to run them.',
    options: [
      ['-O, --output-format <FMT>', 'format of the disks (default qcow2)'],
      ['--folder <FOLDER>', 'where they go (default: here)'],
      PROGRESS,
      ['--json', 'tell what was made as JSON'],
    ],
    action: async ([file = ''], options) => (await import('./appliance/import.ts')).importAppliance(file, as(options)),
  },
  {
    name: 'export',
    files: '<DISK> <FILE>',
    description: 'Pack a disk and what its machine is like into an OVA.',
    options: [
      FORMAT,
      ['--disk <FILE>', 'another disk; may be given more than once'],
      ['--name <NAME>', "the machine's (default: of the file)"],
      ['--memory <SIZE>', 'default 512M'],
      ['--cpus <N>', 'default 1'],
      ['--bus <BUS>', 'of the disks: ide (default), ahci, virtio, scsi or nvme'],
      ['--net <MODELS>', 'network cards, with commas between, or none (default e1000)'],
      ['--uefi', 'it starts by UEFI'],
      PROGRESS,
    ],
    action: async ([disk = '', file = ''], options) =>
      (await import('./appliance/export.ts')).exportAppliance(disk, file, as(options)),
  },
  {
    name: 'build',
    files: '<SYSTEM> <FILE>',
    description: "Make a disk that boots: debian, of this host's own package source, by mmdebstrap and mke2fs.",
    options: [
      ['--arch <ARCH>', 'amd64: the default; or i386'],
      ['--packages <LIST>', 'more packages, with commas between'],
      ['--size <SIZE>', 'of the disk (default 2G)'],
      ['--user <NAME>', 'who logs in, without a password, and may do all by sudo; without it, root does'],
      ['--ssh-key <FILE>', 'a public key for whoever logs in; may be given more than once'],
      ['--hostname <NAME>', "the system's name (default debian)"],
      ['--suite <NAME>', "the release (default: this host's own)"],
      ['-O, --output-format <FMT>', 'format of the disk image (default qcow2)'],
      PROGRESS,
    ],
    action: async ([system = '', file = ''], options) => (await import('./build.ts')).build(system, file, as(options)),
  },
];

/** `vitrine image`: what qemu-img does, for the formats there are.
 * @returns the exit status
 * @throws {CliError} */
export async function image(args: readonly string[]): Promise<number> {
  let status: number = STATUS.ok;
  const program = quiet(new Command('vitrine image'))
    .description('Make, convert, check and compare disk images.')
    .addHelpText('after', EXAMPLES);
  for (const verb of VERBS) {
    program.addCommand(
      defineVerb(verb).action(async (...all: unknown[]) => {
        const options = all.at(-2) as Options;
        status = await verb.action(all.slice(0, -2) as (string | undefined)[], options);
      }),
    );
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    return fail(args, error);
  }
  return status;
}

/** qemu-img's status of a failure, instead of ours. */
function fail(args: readonly string[], error: unknown): number {
  if (error instanceof CommanderError && error.exitCode === 0) return STATUS.ok;
  const failure = error instanceof Error ? error : new Error(String(error));
  const usage = error instanceof CommanderError;
  const found =
    args.length === 0 ? `found no verb, expected one of ${VERBS.map(({ name }) => name).join(', ')}` : failure.message;
  const message = usage ? `${found.replace(/^error: /, '')}; see vitrine image --help` : failure.message;
  if (failure instanceof CliError && args[0] !== 'compare') throw failure;
  throw new CliError(args[0] === 'compare' ? COMPARE_FAILED : STATUS.failed, describe(message, failure), {
    cause: error,
  });
}

/** A missing file is told in the words of the command line, not of the system call. */
function describe(message: string, failure: Error): string {
  const { code, path } = failure as NodeJS.ErrnoException;
  const findings: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EACCES: 'no permission',
    EISDIR: 'a directory',
    ENOSPC: 'no space left',
    EROFS: 'a read-only file system',
  };
  const finding = findings[code ?? ''];
  return finding === undefined ? message : `${path === undefined ? '' : `${path}: `}${finding}`;
}

function defineVerb({ name, files, description, options }: Verb): Command {
  const command = quiet(new Command(name)).description(description).arguments(files).addHelpText('after', EXAMPLES);
  for (const [flags, text] of options) command.addOption(defineOption(flags, text));
  if (name === 'rebase') for (const option of command.options) if (option.short === '-b') option.makeOptionMandatory();
  return command;
}

function defineOption(flags: string, text: string): Option {
  const option = new Option(flags, text);
  if (flags === OPTIONS[0] || flags.startsWith('--ssh-key') || flags.startsWith('--disk'))
    option.argParser((value, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  if (text.startsWith('iso,')) option.choices(['iso', 'fat']);
  if (flags.startsWith('--output ')) option.choices(['human', 'json']);
  if (flags.startsWith('-r')) option.choices(['leaks', 'all']);
  return option;
}
