import type { Builder } from '../ir/builder.ts';
import type { Val } from '../ir/val.ts';
import type { Field } from './layout.ts';

/** Records a load of a field of the state block. */
export function getField(b: Builder, field: Field): Val {
  return b.load(field.type, field.bytes, b.cpu, field.offset);
}

/** Records a store to a field of the state block. */
export function putField(b: Builder, field: Field, value: Val): void {
  b.store(field.bytes, b.cpu, field.offset, value);
}
