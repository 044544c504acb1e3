/** A file that a machine boots. It is read when the machine is made and again for each of its resets, and its bytes are not
 * kept in between. It stays readable as long as the machine runs, and belongs to the caller. */
export interface BootFile {
  /** All of the file, as it is now. @throws {Error} it cannot be read */
  read(): Promise<Uint8Array> | Uint8Array;
}

/** The bytes of a file to boot, which may lie in memory. @throws {Error} it cannot be read */
export function readBootFile(file: BootFile | Uint8Array): Promise<Uint8Array> | Uint8Array {
  return file instanceof Uint8Array ? file : file.read();
}
