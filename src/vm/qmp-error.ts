/** Classes of errors in QMP. */
export type QmpErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotFound' | 'DeviceNotActive';

/** An error that a client is told. */
export class QmpError extends Error {
  readonly errorClass: QmpErrorClass;
  constructor(errorClass: QmpErrorClass, description: string) {
    super(description);
    this.errorClass = errorClass;
  }
}
