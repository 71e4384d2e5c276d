/** Files as the gateway needs them; a runtime makes it from what it offers. @module */
export interface Files {
  /**
   * Reads a whole file.
   * @param limit in bytes
   * @throws Error in words (`"x" does not exist`) when it cannot be read or is larger than the limit
   */
  read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>>
  /** Makes the folder that this file will be in, for the eyes of its owner only. */
  createFolderOf(path: string): Promise<void>
  /**
   * Creates a file, and the folder to it, for the eyes of its owner only.
   * @returns false when it is already there; it is then left as it is
   */
  create(path: string, content: string): Promise<boolean>
  /** An absolute path; relative ones start at the folder that `base`, a file, is in. */
  resolve(base: string, path: string): string
}
