import { concatenate } from './bytes.ts';

/** Compresses bytes (RFC 1951). */
export function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return convert(new CompressionStream('deflate-raw'), bytes);
}

/** Undoes {@link deflate}. @throws {TypeError} the data is damaged */
export function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return convert(new DecompressionStream('deflate-raw'), bytes);
}

async function convert(stream: CompressionStream | DecompressionStream, bytes: Uint8Array<ArrayBuffer>) {
  const writer = stream.writable.getWriter();
  const [, converted] = await Promise.all([
    writer.write(bytes).then(() => writer.close()),
    collect(stream.readable.getReader()),
  ]);
  return converted;
}

async function collect(reader: { read(): Promise<{ done: boolean; value?: Uint8Array }> }) {
  const parts: Uint8Array[] = [];
  for (let part = await reader.read(); !part.done && part.value; part = await reader.read()) parts.push(part.value);
  return concatenate(parts);
}
