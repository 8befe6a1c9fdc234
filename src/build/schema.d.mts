export function renderSchema(): Promise<string>;
export function renderValidator(): Promise<{ code: string; types: string }>;
