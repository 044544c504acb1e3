import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileWindow } from '../../../disk/archive/file-window.ts';
import { isTar, readTar } from '../../../disk/archive/tar.ts';
import { type ImageFile, ImageInvalid, type ImageStore } from '../../../disk/interfaces.ts';
import { nodeDiskHost } from '../../../host/node/disk-host.ts';

const LARGEST_TEXT = 4 << 20;
const HASH_CHUNK_BYTES = 4 << 20;
const PROBED_BYTES = 512;
const ALGORITHMS: readonly string[] = ['SHA1', 'SHA256', 'SHA512'];

/** Opens one of the files; undefined where there is none. */
type OpenMember = (name: string) => Promise<ImageFile | undefined>;

/** The files of an appliance: in an archive (OVA), or beside the descriptor in its folder. Nothing else can be opened, whatever
 * a descriptor or a disk in it names. */
export class AppliancePackage {
  readonly #name: string;
  readonly #archive: ImageFile;
  readonly #open: OpenMember;
  readonly #names: readonly string[];

  private constructor(archive: ImageFile, names: readonly string[], open: OpenMember) {
    this.#name = archive.name;
    this.#archive = archive;
    this.#names = names;
    this.#open = open;
  }

  /** @throws {ImageInvalid} the archive is damaged, or has files that are none of an appliance */
  static async open(path: string): Promise<AppliancePackage> {
    const file = await nodeDiskHost.files.open(path, { readOnly: true });
    try {
      const start = new Uint8Array(PROBED_BYTES);
      await file.read(0, start);
      return isTar(start) ? await fromArchive(file) : fromFolder(file, path);
    } catch (error) {
      await file.close();
      throw error;
    }

    async function fromArchive(archive: ImageFile): Promise<AppliancePackage> {
      const members = (await readTar(archive)).map((member) => ({ ...member, name: member.name.replace(/^\.\//, '') }));
      const names = members.map(({ name }) => name);
      for (const name of names) checkName(path, name);
      if (new Set(names).size < names.length) throw new ImageInvalid(path, 'it has a file twice');
      return new AppliancePackage(archive, names, async (name) => {
        const member = members.find((one) => one.name === name);
        return member && new FileWindow(archive, `${path}: ${name}`, member.offset, member.sizeBytes);
      });
    }

    function fromFolder(descriptor: ImageFile, own: string): AppliancePackage {
      return new AppliancePackage(descriptor, [basename(own)], async (name) => {
        checkName(own, name);
        const beside = join(dirname(own), name);
        const found = await lstat(beside).catch(() => undefined);
        return found?.isFile() ? nodeDiskHost.files.open(beside, { readOnly: true }) : undefined;
      });
    }
  }

  /** Its files as images, which may refer to each other. */
  get files(): ImageStore {
    const refuse = () => Promise.reject(new Error('nothing is written here'));
    return {
      open: (name) => this.openMember(name),
      create: refuse,
      temporary: refuse,
      resolve: (_image, reference) => reference,
      absolute: (name) => name,
    };
  }

  /** @throws {ImageInvalid} there is no such file */
  async openMember(name: string): Promise<ImageFile> {
    const file = await this.#open(name);
    if (!file) throw new ImageInvalid(this.#name, `it has no file ${JSON.stringify(name.slice(0, 100))}`);
    return file;
  }

  /** The descriptor's name. @throws {ImageInvalid} there is not one */
  get descriptorName(): string {
    const [name, other] = this.#names.filter((one) => /\.ovf$/i.test(one));
    if (name === undefined || other !== undefined) throw new ImageInvalid(this.#name, 'it has not one OVF descriptor');
    return name;
  }

  /** @throws {ImageInvalid} it is too long */
  async readText(name: string): Promise<string> {
    const file = await this.openMember(name);
    try {
      if (file.sizeBytes > LARGEST_TEXT) throw new ImageInvalid(file.name, 'it is too long');
      const bytes = new Uint8Array(file.sizeBytes);
      await file.read(0, bytes);
      return new TextDecoder().decode(bytes);
    } finally {
      await file.close();
    }
  }

  /** Compares files with the manifest, if there is one. @throws {ImageInvalid} one differs, or is not in it */
  async verify(names: readonly string[], progress: (fraction: number) => void): Promise<void> {
    const manifestName = this.descriptorName.replace(/\.ovf$/i, '.mf');
    const manifest = await this.#open(manifestName);
    await manifest?.close();
    if (!manifest) return;
    const digests = readManifest(manifestName, await this.readText(manifestName));
    for (const [index, name] of names.entries()) {
      const expected = digests.get(name);
      if (!expected) throw new ImageInvalid(manifestName, `${JSON.stringify(name)} is not in it`);
      const file = await this.openMember(name);
      const found = await digestOf(file, expected.algorithm, (part) => progress((index + part) / names.length));
      await file.close();
      if (found !== expected.digest) throw new ImageInvalid(file.name, `it differs from what ${manifestName} says`);
    }
  }

  close(): Promise<void> {
    return this.#archive.close();
  }
}

/** Names are of files beside the descriptor: no folders. */
function checkName(subject: string, name: string): void {
  if (/^[^/\\\0]+$/.test(name) && name !== '.' && name !== '..') return;
  throw new ImageInvalid(subject, `found a file ${JSON.stringify(name.slice(0, 100))}, expected names without folders`);
}

interface Digest {
  readonly algorithm: string;
  /** Hexadecimal, in lower case. */
  readonly digest: string;
}

/** Reads lines such as `SHA256(disk.vmdk)= 0123…` (DSP0243 section 6.2). @throws {ImageInvalid} one is none */
function readManifest(name: string, text: string): Map<string, Digest> {
  const digests = new Map<string, Digest>();
  for (const line of text.split(/\r?\n/).filter((line) => line.trim() !== '')) {
    const [, word = '', file, digest] = /^(\w+)\s*\((.+)\)\s*=\s*([0-9a-f]+)\s*$/i.exec(line) ?? [];
    const algorithm = word.toUpperCase();
    if (!ALGORITHMS.includes(algorithm)) throw new ImageInvalid(name, `found ${JSON.stringify(line.slice(0, 100))}`);
    digests.set(file, { algorithm, digest: digest.toLowerCase() });
  }
  return digests;
}

/** The digest of a file's content, in hexadecimal digits. */
export async function digestOf(
  file: ImageFile,
  algorithm: string,
  progress: (fraction: number) => void = () => {},
): Promise<string> {
  const hash = createHash(algorithm.toLowerCase());
  for (let at = 0; at < file.sizeBytes; at += HASH_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(HASH_CHUNK_BYTES, file.sizeBytes - at));
    await file.read(at, chunk);
    hash.update(chunk);
    progress(at / file.sizeBytes);
  }
  return hash.digest('hex');
}
