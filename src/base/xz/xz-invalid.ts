/** The data are no .xz file, are damaged, or need more than is allowed or supported. The message is one line. */
export class XzInvalid extends Error {}
