import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { finish, ProgramError, start } from './processes.ts';

/** What the package lists say of a package. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly depends: string;
  /** SHA-256 of the package file, in hexadecimal; the lists it comes from are signed. */
  readonly sha256: string;
}

/** Where apt reports its progress: a file descriptor of the child. */
const STATUS_DESCRIPTOR = 3;

/** Debian or Ubuntu packages from the sources this host is set up with. Needs no privilege, and changes nothing on the
 * host outside of its work folder. */
export class DebianArchive {
  readonly #folder: string;
  readonly #architecture: string;
  #options: readonly string[] = [];

  /** @param folder an empty one to work in
   * @param architecture of the package lists that {@link refresh} fetches, in Debian's word: a PC's, whatever this host is */
  constructor(folder: string, architecture: 'amd64' | 'i386' = 'amd64') {
    this.#folder = folder;
    this.#architecture = architecture;
  }

  /** Fetches package lists of its own, to be used from now on in place of the host's.
   * @throws {ProgramError} there is no apt, or it cannot reach its sources */
  async refresh(): Promise<void> {
    const [state, cache] = [join(this.#folder, 'state'), join(this.#folder, 'cache')];
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
    const architecture = ['Architecture', 'Architectures'].map((name) => `APT::${name}=${this.#architecture}`);
    const settings = [`Dir::State=${state}`, `Dir::Cache=${cache}`, ...architecture];
    this.#options = settings.flatMap((setting) => ['-o', setting]);
    await finish(start('apt-get', ['update', '-q', '--error-on=any', ...this.#options]));
  }

  /** What the lists say of those packages among `names` that they know.
   * @throws {ProgramError} there is no apt */
  async find(names: readonly string[]): Promise<DebianPackage[]> {
    const show = start('apt-cache', ['show', '--no-all-versions', ...this.#options, ...names]);
    const text = await finish(show).catch(noneWhenUnknown);
    return text.toString().split('\n\n').map(parseParagraph).filter(isAboutPackage);
  }

  /** Downloads package files and checks them against their checksums.
   * @param onProgress told how far it is, from 0 to 1
   * @returns their paths, in order
   * @throws {ProgramError} one cannot be had or is damaged */
  async download(packages: readonly DebianPackage[], onProgress: (fraction: number) => void): Promise<string[]> {
    const versions = packages.map(({ name, version }) => `${name}=${version}`);
    const args = ['download', '-o', `APT::Status-Fd=${STATUS_DESCRIPTOR}`, ...this.#options, ...versions];
    const child = start('apt-get', args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    watchProgress(child.stdio[STATUS_DESCRIPTOR] as Readable, onProgress);
    await finish(child);
    return Promise.all(packages.map((wanted) => this.#checked(wanted)));
  }

  async #checked({ name, sha256 }: DebianPackage): Promise<string> {
    const file = (await readdir(this.#folder)).find((candidate) => candidate.startsWith(`${name}_`));
    if (file === undefined) throw new ProgramError(`apt-get left no file of ${name}`);
    const path = join(this.#folder, file);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    if (hash.digest('hex') !== sha256) throw new ProgramError(`${file} has a wrong checksum`);
    return path;
  }
}

/** Reads one file out of a package file.
 * @param pattern its path in the package, beginning with `./`; `*` stands for anything
 * @throws {ProgramError} the package cannot be read or has no such file */
export async function readPackagedFile(packageFile: string, pattern: string): Promise<Uint8Array<ArrayBuffer>> {
  const archive = start('dpkg-deb', ['--fsys-tarfile', packageFile]);
  const picker = start('tar', ['-xO', '--wildcards', pattern], { stdio: [archive.stdout, 'pipe', 'pipe'] });
  archive.stdout?.destroy();
  const [, file] = await Promise.all([finish(archive, null), finish(picker)]);
  return file;
}

/** apt-cache fails when it knows none of the packages it is asked for; without lists it knows none at all. */
function noneWhenUnknown(error: Error): Buffer<ArrayBuffer> {
  if (/No packages found/.test(error.message)) return Buffer.alloc(0);
  throw error;
}

function parseParagraph(text: string): Partial<DebianPackage> {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1];
  return {
    name: field('Package'),
    version: field('Version'),
    depends: field('Depends') ?? '',
    sha256: field('SHA256'),
  };
}

function isAboutPackage(found: Partial<DebianPackage>): found is DebianPackage {
  return found.name !== undefined && found.version !== undefined && found.sha256 !== undefined;
}

/** Reads apt's lines `dlstatus:NUMBER:PERCENT:TEXT`. */
function watchProgress(status: Readable, onProgress: (fraction: number) => void): void {
  createInterface(status).on('line', (line) => {
    const percent = /^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1];
    if (percent !== undefined) onProgress(Number(percent) / 100);
  });
}
