/** A file that is open for reading. */
export interface ServedFile {
  readonly sizeBytes: number;
  /** Reads bytes that are in the file. @throws {Error} they cannot be read  */
  read(at: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/** Opens files by name, as servers for machines that boot hand them out.
 * @returns undefined where there is none of that name, or it may not be read */
export type OpenServedFile = (name: string) => Promise<ServedFile | undefined>;

/** The content of a whole file. @param mostBytes that it may have
 * @returns undefined where there is none of that name, it is larger, or cannot be read */
export async function readServedFile(
  open: OpenServedFile,
  name: string,
  mostBytes: number,
): Promise<Uint8Array | undefined> {
  const file = await open(name).catch(() => undefined);
  if (!file) return undefined;
  try {
    return file.sizeBytes <= mostBytes ? await file.read(0, file.sizeBytes) : undefined;
  } catch {
    return undefined;
  } finally {
    file.close();
  }
}

/** The longest name or URL of what is booted, so that DHCP's answer fits into the 548 bytes that every client takes (RFC 2132
 * section 9.10). */
export const MOST_BOOT_NAME_BYTES = 200;

/** Whether what is booted is a URL, and no name of a file. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z\d+.-]*:\/\/[!-~]+$/i.test(text);
}
