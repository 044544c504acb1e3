import { ByteWriter } from '../../base/bytes.ts';

/** Appends a number as ISO 9660 has it (7.2.3, 7.3.3): little-endian and then big-endian. */
export function both16(writer: ByteWriter, value: number): void {
  writer
    .u16(value)
    .u8(value >>> 8)
    .u8(value);
}

export function both32(writer: ByteWriter, value: number): void {
  writer
    .u32(value)
    .u8(value >>> 24)
    .u8(value >>> 16)
    .u8(value >>> 8)
    .u8(value);
}

/** Seven bytes of date and time (9.1.5), in UTC. */
export function recordDate(millis: number): number[] {
  const date = new Date(millis);
  return [
    date.getUTCFullYear() - 1900,
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    0,
  ];
}

/** Seventeen bytes of date and time (8.4.26.1), in UTC. */
export function volumeDate(millis: number): number[] {
  const digits = new Date(millis)
    .toISOString()
    .replaceAll(/[^0-9]/g, '')
    .slice(0, 16);
  return [...digits].map((digit) => digit.charCodeAt(0)).concat(0);
}

/** What a directory says of one of its entries. */
export interface RecordFields {
  readonly identifier: ArrayLike<number>;
  readonly sector: number;
  readonly sizeBytes: number;
  readonly modifiedMillis: number;
  readonly isFolder: boolean;
  /** More records of this file follow. */
  readonly continued?: boolean;
  readonly systemUse?: Uint8Array;
}

/** A directory record (9.1). */
export function directoryRecord(fields: RecordFields): Uint8Array {
  const { identifier, systemUse = new Uint8Array() } = fields;
  const named = 33 + identifier.length + ((identifier.length + 1) % 2);
  const length = named + systemUse.length + (systemUse.length % 2);
  const writer = new ByteWriter().u8(length).u8(0);
  both32(writer, fields.sector);
  both32(writer, fields.sizeBytes);
  writer.append(recordDate(fields.modifiedMillis));
  writer.u8((fields.isFolder ? 2 : 0) | (fields.continued ? 0x80 : 0)).u16(0);
  both16(writer, 1);
  writer
    .u8(identifier.length)
    .append(identifier)
    .zeros(named - writer.length)
    .append(systemUse);
  return writer.zeros(length - writer.length).finish();
}
