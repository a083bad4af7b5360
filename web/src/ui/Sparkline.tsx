/** A row of values as a line; `label` says in words what it shows. */
export function Sparkline({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(1e-9, ...values);
  const points = values.map((value, index) => `${(index / Math.max(1, values.length - 1)) * WIDTH},${y(value / most)}`);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <polyline points={points.join(" ")} fill="none" stroke="var(--mantine-primary-color-filled)" strokeWidth={1.5} />
    </svg>
  );
}

const WIDTH = 90;
const HEIGHT = 22;

function y(share: number): string {
  return (HEIGHT - 2 - share * (HEIGHT - 4)).toFixed(1);
}
