import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** What `--help` says of a script. */
export interface ScriptUsage {
  /** How it is called, without options. */
  readonly command: string;
  /** What it does, in one line. */
  readonly about: string;
  /** A call with options, behind the command. */
  readonly example: string;
}

/** An option that takes a value. */
export interface ScriptOption {
  /** What the value is, in one word, and what the option does. */
  readonly value: string;
  readonly about: string;
  /** Without it the option is undefined where it is absent. */
  readonly default?: string;
}

/** The options of a script by their names. */
type ScriptOptions = Readonly<Record<string, ScriptOption>>;

/** The values of options. */
export type OptionValues<T extends ScriptOptions> = {
  readonly [Name in keyof T]: T[Name] extends { readonly default: string } ? string : string | undefined;
};

const WRONG_USAGE = 2;

/** The text of `--help`. */
export function usageText(usage: ScriptUsage, options: ScriptOptions): string {
  const calls = Object.entries(options).map(([name, { value }]) => `--${name} ${value}`);
  const width = Math.max(...calls.map((call) => call.length));
  const lines = Object.values(options).map(({ about, default: absent }, n) => {
    const said = absent === undefined ? about : `${about} (${absent})`;
    return `  ${calls[n].padEnd(width)}  ${said}`;
  });
  const separator = usage.command.startsWith('npm ') ? ' --' : '';
  const example = `${usage.command}${separator} ${usage.example}`;
  return [`${usage.command}${separator} [options]: ${usage.about}`, '', ...lines, '', `Example: ${example}`].join('\n');
}

/** Reads options. @returns undefined where help is asked for  @throws {TypeError} there is no such option, or it lacks its value */
export function parseOptions<T extends ScriptOptions>(
  args: readonly string[],
  options: T,
): OptionValues<T> | undefined {
  const config: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } };
  for (const [name, { default: absent }] of Object.entries(options)) {
    config[name] = absent === undefined ? { type: 'string' } : { type: 'string', default: absent };
  }
  const { help, ...values } = parseArgs({ args: [...args], options: config }).values;
  return help === true ? undefined : (values as OptionValues<T>);
}

/** The options of the script that runs. It ends here where help is asked for, or where it was called wrongly. */
export function scriptOptions<T extends ScriptOptions>(usage: ScriptUsage, options: T): OptionValues<T> {
  try {
    const values = parseOptions(process.argv.slice(2), options);
    if (values !== undefined) return values;
    console.log(usageText(usage, options));
    process.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usageText(usage, options)}`);
    process.exit(WRONG_USAGE);
  }
}
