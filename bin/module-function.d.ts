/** The text of a function with a module's statements. @param source without types  @throws {SyntaxError} */
export declare function moduleFunction(source: string): string;
