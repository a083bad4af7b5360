/** A row of values as a line, with a mark below where `marks` has any; `label` says in words what it shows. */
export function Sparkline({ values, marks = [], label }: { values: number[]; marks?: number[]; label: string }) {
  const most = Math.max(1e-9, ...values);
  const x = (index: number) => (index / Math.max(1, values.length - 1)) * WIDTH;
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value / most)}`);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <polyline points={points.join(" ")} fill="none" stroke="var(--mantine-primary-color-filled)" strokeWidth={1.5} />
      <path
        d={marks.map((count, index) => (count > 0 ? `M${x(index).toFixed(1)},${HEIGHT}v-5` : "")).join("")}
        stroke="var(--mantine-color-red-filled)"
        strokeWidth={2}
      />
    </svg>
  );
}

const WIDTH = 90;
const HEIGHT = 22;

function y(share: number): string {
  return (HEIGHT - 5 - share * (HEIGHT - 7)).toFixed(1);
}
