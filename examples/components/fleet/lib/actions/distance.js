const RADIUS = 6371;
const radians = (degrees) => (Number(degrees) * Math.PI) / 180;

/** How far the vehicle is from the place in the fields, in kilometres. */
export async function process(msg, cfg) {
  const { vehicle, lat, lon } = msg.body;
  const here = { lat: radians(lat), lon: radians(lon) };
  const there = { lat: radians(cfg.lat), lon: radians(cfg.lon) };
  const part =
    Math.sin((there.lat - here.lat) / 2) ** 2 +
    Math.cos(here.lat) * Math.cos(there.lat) * Math.sin((there.lon - here.lon) / 2) ** 2;
  return { body: { vehicle, km: Math.round(2 * RADIUS * Math.asin(Math.sqrt(part))) } };
}
