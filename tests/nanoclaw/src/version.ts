/** Which contract this tree speaks; the only difference between the branches main and v1.1. */
export const CONTRACT: 'v1.1' | 'v1.2' = 'v1.2';
