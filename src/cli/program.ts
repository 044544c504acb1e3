import { Command, CommanderError, Option } from 'commander';
import { STATUS, UsageError } from './errors.ts';
import { packageVersion } from './package-version.ts';
import { quiet } from './quiet-command.ts';
import type { RawRunOptions } from './run-options.ts';

/** The verbs, each told its arguments and resolving to the exit status. */
export interface Verbs {
  run(image: string | undefined, options: RawRunOptions): Promise<number>;
  /** Reads its arguments itself. */
  image(args: readonly string[]): Promise<number>;
  /** The verbs for machines that have names; reads its arguments itself. */
  named(args: readonly string[]): Promise<number>;
}

/** First words of verbs for machines that have names, and what they are for. */
const NAMED_VERBS: Readonly<Record<string, string>> = {
  ls: 'List the machines that run with --name.',
  info: 'Tell about a machine.',
  pause: 'Stop a machine for a while.',
  resume: 'Let a paused machine go on.',
  stop: 'Press the power button and wait until the machine has ended.',
  screenshot: "Write the screen's picture to a PNG file.",
  sendkey: 'Press keys together.',
  snapshot: 'Save a machine, and tell about saved ones: create, info.',
  console: "Show a machine's first serial line and type on it; Ctrl-] leaves.",
  exec: "Run a command in the guest, by the guest's agent.",
  cp: 'Copy a file into a guest or out of one.',
  agent: "Have QEMU's guest agent in the guest execute a command.",
  fork: 'Start copies of a running machine, which goes on.',
};

/** Options of `run` that are planned and not there yet: to be told apart from misspelt ones. */
const PLANNED_RUN_OPTIONS = ['--rtc'];

const EXAMPLES = `
Examples:
  vitrine run                                   boot a small Linux made from this system's own packages
  vitrine run --kernel vmlinuz --initrd rd.gz --append console=ttyS0 --memory 1G
  vitrine run invaders.exec --serial none       a multiboot kernel
  vitrine run --qmp unix:/tmp/qmp --timeout 60  controlled through a socket, ended after a minute

On a terminal Ctrl-] leaves the machine.
`;

/** Reads a command line and does what it asks.
 * @returns the exit status
 * @throws {UsageError} the command line is wrong */
export async function runProgram(args: readonly string[], verbs: Verbs): Promise<number> {
  if (args[0] === 'image') return verbs.image(args.slice(1));
  if (args[0] !== undefined && Object.hasOwn(NAMED_VERBS, args[0])) return verbs.named(args);
  let status: number = STATUS.ok;
  const program = defineProgram(verbs, (result) => {
    status = result;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return explain(error);
    throw error;
  }
  return status;
}

function defineProgram(verbs: Verbs, finish: (status: number) => void): Command {
  const program = quiet(new Command('vitrine'))
    .description('A PC in TypeScript that boots unmodified x86 and x86-64 systems.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .addHelpText('after', EXAMPLES);
  program.addCommand(
    defineRun().action(async (image: string | undefined, options: RawRunOptions) => {
      finish(await verbs.run(image, options));
    }),
  );
  program.command('image').description('Make, convert, check and compare disk images: see vitrine image --help.');
  for (const [name, description] of Object.entries(NAMED_VERBS)) program.command(name).description(description);
  return program;
}

function defineRun(): Command {
  const run = new Command('run')
    .description("Boot a machine in the foreground; without a kernel, a small Linux from this system's own packages.")
    .argument('[IMAGE]', 'a kernel: Linux bzImage or multiboot ELF')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {} })
    .addHelpText('after', EXAMPLES);
  for (const option of runOptions()) run.addOption(option);
  return run;
}

function runOptions(): Option[] {
  return [...bootOptions(), ...deviceOptions(), ...executionOptions()];
}

/** What the machine is and starts from. */
function bootOptions(): Option[] {
  return [
    new Option('--name <NAME>', 'a name, by which vitrine info, snapshot, fork, exec and others find the machine'),
    new Option('--snapshot <FILE>', 'go on from a snapshot, which brings its memory, disks and most options with it'),
    new Option('--copy', 'with --snapshot: as another machine, with other addresses of network cards and another UUID'),
    new Option('--uuid <UUID>', "the system's UUID, which firmware tells; made up where it is not given"),
    new Option('--memory <SIZE>', 'RAM, as 512M or 2G; a bare number is MiB').default(undefined, '512M'),
    new Option('--cpus <N>', 'processors, which take turns on one thread').default(undefined, '1'),
    new Option('--kernel <FILE>', 'Linux bzImage or multiboot ELF to boot'),
    new Option('--initrd <FILE>', 'initial RAM disk of the kernel'),
    new Option('--append <STRING>', 'command line of the kernel'),
    new Option(
      '--firmware <FILE>',
      'builtin, the default where there is a medium or --boot net and no kernel, or an image of SeaBIOS or OVMF',
    ),
    new Option('--firmware-vars <FILE>', "the firmware's variables: a copy of OVMF_VARS.fd, which the machine writes"),
    new Option('--boot <MEDIA>', 'what the firmware boots from: cd, disk, floppy, net, several with commas; menu asks'),
    new Option(
      '--option-rom <FILE>',
      "a ROM that the firmware starts; without one, --boot net starts iPXE's for the card",
    ).argParser(collect),
  ];
}

/** What the machine is connected to. */
function deviceOptions(): Option[] {
  return [
    new Option(
      '--disk <FILE>',
      'a disk: FILE[,format=FORMAT][,bus=ide|ahci|virtio|scsi|nvme][,readonly][,overlay[=FILE]]',
    ).argParser(collect),
    new Option('--cdrom <FILE>', 'the medium in the CD drive; ,bus=scsi: in one on virtio-scsi'),
    new Option('--floppy <FILE>', 'the medium in the floppy drive; again for the second drive').argParser(collect),
    new Option(
      '--net <NETWORK>',
      'a network card: none, user, switch:NAME, ws://HOST:PORT/TOKEN/ or tap:INTERFACE, with [,model=virtio|e1000|rtl8139|ne2k][,mac=…][,loss=PERCENT][,delay=MS][,rate=MBIT]; for user [,hostfwd=…][,restrict][,allow=…][,deny=…]; for switch [,nat][,vlan=ID][,trunk=ID+ID…][,ws=[HOST:]PORT]; for both [,tftp=FOLDER][,bootfile=NAME|URL], what machines boot by TFTP and HTTP',
    ).argParser(collect),
    new Option('--pcap <FILE>', 'write the frames of the first network card to a capture file'),
    new Option('--share <DIR:TAG[:ro]>', 'a folder that the guest can mount by 9p').argParser(collect),
    new Option(
      '--vsock <PATH>',
      "sockets to the guest's programs (virtio-vsock), by Unix sockets as Firecracker's: PATH[,cid=N], or none; as --vsock /tmp/v.sock",
    ),
    new Option('--debugcon <TARGET>', 'where messages on the debug ports 0x402 and 0xE9 go, as --serial'),
    new Option(
      '--serial <TARGET>',
      'stdio, file:FILE, unix:PATH, none, or web: the page of --display web, and the default there',
    )
      .default(undefined, 'stdio')
      .argParser(collect),
    new Option(
      '--display <TARGET>',
      'where the screen is shown: none, web or vnc:HOST:PORT[,password-file=FILE]',
    ).default(undefined, 'none'),
    new Option('--vga <CARD>', 'the display adapter: std, or virtio, which has a virtio GPU beside the VGA').default(
      undefined,
      'std',
    ),
    new Option('--parallel <TARGET>', 'add LPT1, and print to file:FILE, stdio, unix:PATH or none'),
    new Option('--sound <CARD>', 'a sound card: ac97, sb16 (port 220h, IRQ 5, DMA 1 and 5) or none').default(
      undefined,
      'none',
    ),
    new Option(
      '--audio <TARGET>',
      "where the guest's sound goes: wav:FILE, none, or web: the page of --display web, and the default there",
    ).default(undefined, 'none'),
  ];
}

/** How the machine runs and is controlled. */
function executionOptions(): Option[] {
  return [
    new Option('--accel <ENGINE>', 'how guest code is executed: jit (translated) or interp (interpreted)').default(
      'jit',
    ),
    new Option('--clock <CLOCK>', "host: as the host's; virtual: by executed instructions alone").default(
      undefined,
      'host',
    ),
    new Option('--seed <N>', 'seed of all random numbers the guest can see'),
    new Option('--no-reboot', 'end with status 0 when the guest resets'),
    new Option('--timeout <SECONDS>', 'end with status 5 when this time has passed'),
    new Option('--debug-exit <PORT>', 'add a port whose written value V ends with status V * 2 + 1'),
    new Option(
      '--gdb <ADDRESS>',
      'let gdb debug the guest: tcp:HOST:PORT or unix:PATH; with ,wait it starts when told to',
    ),
    new Option('--qmp <ADDRESS>', 'listen for the QEMU Machine Protocol: unix:PATH or tcp:HOST:PORT'),
    new Option('--screenshot-at-exit <FILE>', "write the screen's last picture to a PNG file"),
    new Option('--stats', 'print counters at the end'),
    new Option('--dump-regions <FOLDER>', 'write what is translated there: guest code and what is made of it'),
    new Option('--verbose', 'print the phases of the boot, and stack traces of failures'),
  ];
}

/** For options that may be given several times. */
function collect(text: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), text];
}

/** Turns what the parser says into our own words: help and version are no failures. */
function explain(error: CommanderError): number {
  if (error.exitCode === 0) return STATUS.ok;
  const subject = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const option = subject.split(/[ ,=]/)[0] ?? '';
  switch (error.code) {
    case 'commander.unknownOption':
      throw new UsageError(option, unknownOption(option), 'one that vitrine run --help lists');
    case 'commander.optionMissingArgument':
      throw new UsageError(option, 'no value', subject);
    case 'commander.unknownCommand':
      throw new UsageError('command', `"${subject}"`, 'run or image');
    case 'commander.excessArguments':
      throw new UsageError('IMAGE', 'more than one', 'at most one');
    default:
      throw new UsageError('command', 'none', 'run or image; see vitrine --help');
  }
}

function unknownOption(option: string): string {
  return PLANNED_RUN_OPTIONS.includes(option) ? 'an option this version does not support' : 'an unknown option';
}
