/** Which contract this tree speaks: v1.1 takes secrets on stdin, v1.2 has them in its environment. */
export const CONTRACT: 'v1.1' | 'v1.2' = 'v1.2';
