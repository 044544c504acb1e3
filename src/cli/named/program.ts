import { Command, CommanderError, Option } from 'commander';
import { SnapshotInvalid } from '../../vm/snapshot/format.ts';
import { CliError, STATUS, UsageError } from '../errors.ts';
import { quiet } from '../quiet-command.ts';
import { Refused } from './client.ts';

type Options = Readonly<Record<string, unknown>>;
/** Does what a verb asks. @returns the exit status */
type Action = (words: readonly (string | readonly string[] | undefined)[], options: Options) => Promise<number>;

/** One verb for machines that run and have names. */
interface Verb {
  /** Its words, such as `snapshot create`. */
  readonly name: string;
  readonly words: string;
  readonly description: string;
  readonly options?: readonly (readonly [flags: string, description: string])[];
  readonly action: Action;
}

const WAIT = ['--wait <SECONDS>', "how long the machine and the guest's agent may take to start"] as const;
const SERIAL = ['--serial', 'without an agent: by a shell that somebody has logged in to on the serial line'] as const;
const JSON_OUTPUT = ['--json', 'print JSON'] as const;

const controlling = async () => import('./control-verbs.ts');
const asking = async () => import('./agent-verbs.ts');
const saving = async () => import('./snapshot-verbs.ts');
const text = (word: unknown) => word as string;
const texts = (word: unknown) => word as readonly string[];

const VERBS: readonly Verb[] = [
  {
    name: 'ls',
    words: '',
    description: 'List the machines that run with --name.',
    options: [JSON_OUTPUT],
    action: async (_words, { json }) => (await controlling()).list(json === true),
  },
  {
    name: 'info',
    words: '<NAME>',
    description: 'Tell about a machine.',
    options: [JSON_OUTPUT],
    action: async ([name], { json }) => (await controlling()).info(text(name), json === true),
  },
  {
    name: 'pause',
    words: '<NAME>',
    description: 'Stop a machine for a while.',
    action: async ([name]) => (await controlling()).command(text(name), 'stop'),
  },
  {
    name: 'resume',
    words: '<NAME>',
    description: 'Let a paused machine go on.',
    action: async ([name]) => (await controlling()).command(text(name), 'cont'),
  },
  {
    name: 'stop',
    words: '<NAME>',
    description: 'Press the power button and wait until the machine has ended.',
    options: [
      ['--force', 'end it at once'],
      ['--timeout <SECONDS>', 'how long to wait (default 60)'],
    ],
    action: async ([name], options) => (await controlling()).stop(text(name), options),
  },
  {
    name: 'screenshot',
    words: '<NAME> <FILE>',
    description: "Write the screen's picture to a PNG file.",
    action: async ([name, file]) => (await controlling()).screenshot(text(name), text(file)),
  },
  {
    name: 'sendkey',
    words: '<NAME> <KEYS>',
    description: 'Press keys together, in the words of QEMU, such as ctrl-alt-delete.',
    action: async ([name, keys]) => (await controlling()).sendKey(text(name), text(keys)),
  },
  {
    name: 'exec',
    words: '<NAME> <COMMAND...>',
    description: 'Run a command in the guest, whose agent runs; its exit status is this one.',
    options: [WAIT, SERIAL, ['-n, --no-input', 'give the command no input']],
    action: async ([name, words], options) => (await asking()).exec(text(name), texts(words), options),
  },
  {
    name: 'cp',
    words: '<FROM> <TO>',
    description: 'Copy a file into a guest or out of one, where its path is NAME:PATH.',
    options: [WAIT, SERIAL],
    action: async ([from, to], options) => (await asking()).copy(text(from), text(to), options),
  },
  {
    name: 'agent',
    words: '<NAME> <COMMAND> [ARGUMENTS]',
    description:
      "Have QEMU's guest agent in the guest execute a command, such as guest-info; ARGUMENTS is a JSON object.",
    options: [WAIT],
    action: async ([name, command, given], options) =>
      (await asking()).askQemuAgent(text(name), text(command), given as string | undefined, options),
  },
  {
    name: 'console',
    words: '<NAME>',
    description: "Show a machine's first serial line and type on it; Ctrl-] leaves.",
    action: async ([name]) => (await import('./console.ts')).console(text(name)),
  },
  {
    name: 'fork',
    words: '<NAME> <COPIES...>',
    description: 'Start copies of a running machine, which goes on.',
    action: async ([name, copies]) => (await saving()).fork(text(name), texts(copies)),
  },
  {
    name: 'snapshot create',
    words: '<NAME> <FILE>',
    description: 'Save a machine, which goes on.',
    options: [['--compress <METHOD>', 'zstd, or deflate, which browsers read too (default zstd)']],
    action: async ([name, file], { compress }) =>
      (await saving()).create(text(name), text(file), compress as string | undefined),
  },
  {
    name: 'snapshot info',
    words: '<FILE>',
    description: 'Tell about a saved machine.',
    options: [JSON_OUTPUT],
    action: async ([file], { json }) => (await saving()).info(text(file), json === true),
  },
];

/** The verbs for machines that run and have names. @throws {CliError} */
export async function named(args: readonly string[]): Promise<number> {
  let status: number = STATUS.ok;
  const program = quiet(new Command('vitrine'));
  for (const verb of VERBS) {
    const command = define(program, verb);
    command.action(async (...given: unknown[]) => {
      const words = given.slice(0, -2) as Parameters<Action>[0];
      status = await verb.action(words, given.at(-2) as Options);
    });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return STATUS.ok;
      throw new UsageError(
        args[0] ?? 'command',
        error.message.replace(/^error: /, ''),
        `see vitrine ${args[0]} --help`,
      );
    }
    if (error instanceof Refused || error instanceof SnapshotInvalid) {
      throw new CliError(STATUS.failed, `${args[0]}: ${error.message}`, { cause: error });
    }
    throw error;
  }
  return status;
}

function define(program: Command, { name, words, description, options = [] }: Verb): Command {
  const [first = '', second] = name.split(' ');
  const group = second === undefined ? program : groupOf(program, first);
  const command = quiet(new Command(second ?? first)).description(description);
  if (words !== '') command.arguments(words);
  for (const [flags, meaning] of options) command.addOption(new Option(flags, meaning));
  group.addCommand(command);
  return command;
}

function groupOf(program: Command, name: string): Command {
  const found = program.commands.find((command) => command.name() === name);
  if (found) return found;
  const group = quiet(new Command(name)).description('Saved machines.');
  program.addCommand(group);
  return group;
}
