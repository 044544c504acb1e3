import { showProgressBar } from '../progress-bar.ts';

/** Options that every verb of `vitrine image` has. */
export interface OutputOptions {
  readonly output?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Prints a result for people. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a result for programs. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, undefined, 4));
}

/** Whether a result is for programs. */
export function wantsJson({ output, json }: OutputOptions): boolean {
  return json === true || output === 'json';
}

/** A size with three digits, as qemu-img writes it: 1.5 GiB. */
export function humanSize(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  const exponent = bytes < 1 ? 0 : Math.max(0, Math.floor(Math.log2((bytes * 1024) / 1000) / 10));
  return `${Number((bytes / 1024 ** exponent).toPrecision(3))} ${units[exponent] ?? ''}B`;
}

/** Does a long piece of work with a progress bar, where one is asked for and standard error is a terminal. */
export async function withProgress<Result>(
  label: string,
  wanted: boolean | undefined,
  work: (progress: (fraction: number) => void) => Promise<Result>,
): Promise<Result> {
  if (!wanted) return work(() => {});
  const bar = await showProgressBar(label);
  try {
    return await work(bar.update);
  } finally {
    bar.close();
  }
}
