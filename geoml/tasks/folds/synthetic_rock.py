"""Rock and photograph of synthetic folds: layers, lithology style, weathering, light, cover and camera.

Sections 8.4 and 8.5 of the fold card. Pictures are float32, 0 black to 1 white, (size, size) or (size, size, 3); widths
are in picture heights, pixels those of a picture 128 high.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from geoml.tasks.folds.synthetic_geometry import Fold, Values, view


@dataclass(frozen=True)
class Style:
    """Lithology (card, 8.4): the class it is the habit of and the ranges of its draws."""

    habit_of: str
    beds: float  # median number per picture height
    spread: float  # sigma of the logarithm of bed thickness
    mean: float
    contrast: float
    lamination: tuple[float, float]
    stipple: tuple[float, float]
    grain_px: float
    joints: float  # mean number


STYLES = {
    "massive": Style("box", 9, 0.50, 0.60, 0.45, (0.01, 0.03), (0.06, 0.13), 2.6, 3),
    "thin-bedded": Style("chevron", 24, 0.30, 0.52, 0.60, (0.06, 0.13), (0.015, 0.04), 1.2, 6),
    "banded": Style("rounded", 14, 0.75, 0.42, 0.80, (0.02, 0.05), (0.01, 0.035), 1.6, 2),
}
_LABELS = np.linspace(-3, 3, 8192, dtype=np.float32)  # stratigraphic labels at which layers are tabulated
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def draw_style(shape: str, habit: float, rng: np.random.Generator) -> str:
    """Style habitual for the class with probability ``habit``, else any of the three."""
    any_style = rng.choice(list(STYLES)).item()
    usual = next(name for name, style in STYLES.items() if style.habit_of == shape)
    return usual if rng.random() < habit else any_style


def modelled(q: np.ndarray, style: Style, rng: np.random.Generator) -> tuple[np.ndarray, Values]:
    """Clean picture of a structural model: grey bands on white (card, 8.4).

    Args:
        q: (size, size) stratigraphic labels.
        style: Gives number and regularity of the layers.
        rng: Source of all draws.

    Returns:
        (size, size) picture, and the drawn values.
    """
    beds = float(np.clip(0.6 * _count(style, rng), 4, 18))
    _, bed, total = _layers(beds, style.spread, rng)
    greys = rng.permutation(np.linspace(0.05, 0.9, rng.integers(3, 7)) + rng.uniform(-0.03, 0.03))
    albedo = greys[np.cumsum(rng.integers(1, len(greys), total)) % len(greys)][bed]  # steps of 1 or more: never equal
    middle, half = rng.uniform(-0.1, 0.1), rng.uniform(0.22, 0.6)
    albedo[np.abs(_LABELS - middle) > half] = 1
    return _look(albedo.astype(np.float32), q), {"beds": beds, "greys": len(greys), "band": 2 * half}


def outcrop(fold: Fold, corners: np.ndarray, size: int, style: Style, rng: np.random.Generator) -> tuple[Any, Values]:
    """Pseudo-photograph of a fold in layered rock (card, 8.5).

    Args:
        fold: Geometry.
        corners: (4, 2) picture coordinates of the corners, see :func:`view`.
        size: Height and width in pixels.
        style: Lithology.
        rng: Source of all draws.

    Returns:
        (size, size, 3) picture before blur and noise, and the drawn values.
    """
    x, y = view(corners, size)
    x, y, cracks, faults = _faulted(x, y, rng)
    along, across = fold.frame(x, y)
    warp = rng.uniform(0.2, 1.3)
    along = along + np.float32(0.015 * warp) * smooth(size, 0.18, rng)
    across = across + np.float32(0.01 * warp) * smooth(size, 0.15, rng)
    q = fold.label(along, across)
    grey, hue, drawn = _rock(q, style, rng)
    drawn |= {"faults": faults, "warp": warp}
    joints, drawn["joints"] = _joints(q, x, y, style, rng)
    grey *= cracks * joints
    light, shadow = _light(size, rng)
    rgb = np.clip(grey * light, 0.01, 1)[..., None] * hue
    drawn |= {"shadow": shadow, "grey_picture": bool(rng.random() < 0.45)}
    drawn["exposure"] = float(np.clip(rng.lognormal(0, 0.25), 0.55, 1.4))
    gains = drawn["exposure"] * rng.normal(1, 0.05, 3) * (1 + rng.uniform(-0.06, 0.14) * np.array([1, 0.15, -1]))
    rgb *= gains.astype(np.float32)
    rgb = _covered(rgb, rng, drawn)
    if drawn["grey_picture"]:
        rgb = np.repeat((rgb @ _LUMINANCE)[..., None], 3, 2)
    return rgb, drawn


def developed(rgb: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Values]:
    """Picture as a camera gives it: blur, gamma and noise (card, 8.5, step 10).

    Args:
        rgb: (size, size, 3) uint8, at its final size.
        rng: Source of all draws.

    Returns:
        (size, size, 3) uint8, and the drawn values.
    """
    size = len(rgb)
    planes = rgb if (rgb[..., :1] != rgb).any() else rgb[..., :1]  # a grey picture stays grey
    blur, gamma, noise = rng.uniform(0, 0.8), rng.uniform(0.85, 1.2), rng.uniform(0.005, 0.03)
    sigma = blur * size / 128
    light = ndimage.gaussian_filter(planes.astype(np.float32) / 255, (sigma, sigma, 0)) ** np.float32(gamma)
    light += rng.standard_normal(light.shape, np.float32) * np.float32(noise)
    shown = (np.clip(light, 0, 1) * 255).round().astype(np.uint8)
    drawn = {"blur_px": blur, "gamma": gamma, "noise": noise}
    return np.repeat(shown, 3 // shown.shape[2], 2), drawn


def smooth(size: int, length: float, rng: np.random.Generator, octaves: int = 1) -> np.ndarray:
    """Smooth noise of zero mean and unit variance.

    Args:
        size: Pixels along each side.
        length: Correlation length, picture heights.
        rng: Source of all draws.
        octaves: Layers of half the length and half the amplitude each.

    Returns:
        (size, size) float32.
    """
    field = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        nodes = min(int(np.ceil(2**octave / length)) + 3, size)
        coarse = rng.standard_normal((nodes, nodes), np.float32)
        start = rng.random(2)
        box = (*start, *(start + nodes - 1))
        part = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC, box=box)
        field += np.asarray(part) * np.float32(0.5**octave)
    return (field - field.mean()) / (field.std() + np.float32(1e-6))


def _look(table: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Values of a table over ``_LABELS`` at the labels q."""
    place = (q - _LABELS[0]) * np.float32((len(_LABELS) - 1) / (_LABELS[-1] - _LABELS[0]))
    return table[np.clip(place, 0, len(_LABELS) - 1).astype(np.int32)]


def _count(style: Style, rng: np.random.Generator) -> float:
    return float(np.clip(rng.lognormal(np.log(style.beds), 0.35), 4, 40))


def _layers(beds: float, spread: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Contacts, bed number at each of ``_LABELS``, and number of beds."""
    total = int(np.ptp(_LABELS) * beds * 1.5) + 2
    thickness = rng.lognormal(0, spread, total)
    contacts = _LABELS[0] - rng.random() / beds + np.cumsum(thickness / thickness.mean() / beds)
    return contacts, np.searchsorted(contacts, _LABELS), total + 1


def _rock(q: np.ndarray, style: Style, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Values]:
    """Albedo (size, size) and hue (size, size, 3) of beds with partings, lamination, relief and stipple."""
    size = len(q)
    beds = _count(style, rng)
    contacts, bed, total = _layers(beds, style.spread, rng)
    contrast = style.contrast * (rng.uniform(0.35, 0.9) if rng.random() < 0.25 else 1)
    shades = np.clip(style.mean + 0.42 * contrast * rng.uniform(-1, 1, total), 0.05, 0.97)
    width, depth = rng.uniform(0.002, 0.008), rng.uniform(0, 0.5) * rng.uniform(0.3, 1)
    edge = np.abs(_LABELS - contacts[np.clip(bed, 0, len(contacts) - 1)])
    edge = np.minimum(edge, np.abs(_LABELS - contacts[np.clip(bed - 1, 0, None)]))
    open_ = rng.uniform(0.2, 1.3, total)  # some contacts are sharp, others welded
    albedo = shades[bed] * (1 - np.minimum(depth * open_[bed], 0.9) * np.exp(-((edge / width) ** 2)))
    fine = rng.uniform(60, 220)
    lamination = rng.uniform(*style.lamination)
    knots = np.arange(_LABELS[0], _LABELS[-1] + 1 / fine, 1 / fine)
    laminae = np.interp(_LABELS, knots, rng.standard_normal(len(knots))) * lamination
    laminae *= rng.uniform(0.3, 1.7, total)[bed]
    grey = _look(albedo.astype(np.float32), q)
    patchy = 1 + np.float32(0.4) * smooth(size, 0.12, rng)  # laminae come and go along a bed
    grey = grey + _look(laminae.astype(np.float32), q) * patchy
    stipple = rng.uniform(*style.stipple)  # from peak to peak about four sigma
    rough = rng.standard_normal((size, size), np.float32)
    grain = ndimage.gaussian_filter(rough, style.grain_px * size / 128 / 2)
    grey += grain * np.float32(0.4 * stipple / grain.std()) + rough * np.float32(0.2 * stipple)
    relief = rng.uniform(0, 0.35)
    height = _look(rng.uniform(0, 1, total)[bed].astype(np.float32), q) + np.float32(0.15) * smooth(size, 0.05, rng, 3)
    height = ndimage.gaussian_filter(height, 0.9 * size / 128)
    sun = rng.uniform(-np.pi, 0)
    slope = np.gradient(height)
    shade = slope[1] * np.float32(np.cos(sun)) + slope[0] * np.float32(np.sin(sun))
    grey *= 1 + np.clip(np.float32(relief * 4) * shade, -0.6, 0.5)
    tint = 1 + rng.normal(0, 0.05, (total, 1)) * np.array([1, 0.2, -1]) + rng.normal(0, 0.02, (total, 3))
    drawn = {"beds": beds, "contrast": contrast, "parting": depth, "lamination": lamination, "stipple": stipple}
    return grey, _look(tint[bed].astype(np.float32), q), drawn | {"relief": relief}


def _faulted(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[Any, ...]:
    """Coordinates displaced across faults, the factor of their dark traces, and their number."""
    traces = np.ones_like(x)
    number = int(rng.poisson(1.2))
    for _ in range(number):
        angle, throw = rng.uniform(0, np.pi), rng.normal(0, 0.03)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        side = (x - np.float32(rng.uniform(-0.5, 0.5))) * sin - (y - np.float32(rng.uniform(-0.5, 0.5))) * cos
        traces *= 1 - np.float32(rng.uniform(0.1, 0.6)) * np.exp(-((side / np.float32(0.004)) ** 2))
        moved = np.where(side > 0, np.float32(throw), np.float32(0))
        x, y = x + moved * cos, y + moved * sin
    return x, y, traces, number


def _joints(
    q: np.ndarray, x: np.ndarray, y: np.ndarray, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Factor of dark, wavy cracks about normal to bedding, and their number."""
    size = len(q)
    factor = np.ones_like(q)
    number = int(rng.poisson(style.joints))
    wave = np.float32(0.006) * smooth(size, 0.08, rng, 2)
    down, right = np.gradient(q)
    for _ in range(number):
        row, column = rng.integers(0, size, 2)
        angle = np.arctan2(down[row, column], right[row, column]) + rng.normal(0, 0.15)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        dx, dy = x - x[row, column], y - y[row, column]
        beside, along = dy * cos - dx * sin + wave, (dx * cos + dy * sin) / np.float32(rng.uniform(0.05, 0.4))
        trace = np.exp(-((beside / np.float32(0.003)) ** 2) - along**4)
        factor *= 1 - np.float32(rng.uniform(0.05, 0.3) * 1.5) * trace
    return factor, number


def _light(size: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Factor of uneven light (size, size), and whether there is a cast shadow."""
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    light = 1 + np.float32(rng.uniform(0, 0.3) / 2) * smooth(size, 0.3, rng, 3)
    light += np.float32(rng.uniform(-0.25, 0.25)) * ramp + np.float32(rng.uniform(-0.25, 0.25)) * ramp[:, None]
    shadow = bool(rng.random() < 0.35)
    if shadow:
        side, steep = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 6)  # from beyond the picture
        blobs = np.float32(steep * np.cos(side)) * ramp + np.float32(steep * np.sin(side)) * ramp[:, None]
        blobs = blobs + np.float32(0.5) * smooth(size, 0.4, rng, 5)
        edge = np.quantile(blobs, 1 - rng.uniform(0.02, 0.16)).astype(np.float32)
        light *= 1 - np.float32(1 - rng.uniform(0.3, 0.6)) * np.clip((blobs - edge) * 12, 0, 1)
    return light, shadow


def _covered(rgb: np.ndarray, rng: np.random.Generator, drawn: Values) -> np.ndarray:
    """Picture with vegetation, talus, sky, scale object and watermark where they are drawn; tells ``drawn``."""
    size = len(rgb)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    drawn["vegetation"] = bool(rng.random() < 0.5)
    if drawn["vegetation"]:
        cover = smooth(size, 0.35, rng, 6) - np.float32(rng.uniform(1.5, 2.8))
        speckle = 1 + np.float32(0.28) * smooth(size, 0.025, rng, 2)
        green = np.array([0.36, 0.40, 0.24]) * rng.uniform(0.6, 1.3) + rng.uniform(-0.03, 0.03, 3)
        rgb = _blend(rgb, speckle[..., None] * green.astype(np.float32), cover * 4)
    drawn["talus"] = bool(rng.random() < 0.25)
    if drawn["talus"]:
        top = 1 - rng.uniform(0.05, 0.3) + rng.uniform(-0.3, 0.3) * (ramp - 0.5) + 0.015 * smooth(size, 0.06, rng)[0]
        count = int(rng.integers(25, 60))
        blocks = rng.uniform(0.6, 1.25, (count, count)).astype(np.float32)
        jitter = np.float32(0.25 / count)
        down = (count * (ramp[:, None] + jitter * smooth(size, 1 / count, rng))).astype(int) % count
        side = (count * (ramp + jitter * smooth(size, 1 / count, rng))).astype(int) % count
        shaded = blocks[down, side] * (1 + np.float32(0.12) * smooth(size, 0.5 / count, rng, 2))
        rgb = _blend(rgb, shaded[..., None] * rgb.mean((0, 1)), (ramp[:, None] - top) * size)
    drawn["sky"] = bool(rng.random() < 0.25)
    if drawn["sky"]:
        ridge = rng.uniform(0.04, 0.2) + rng.uniform(-0.2, 0.2) * (ramp - 0.5) + 0.02 * smooth(size, 0.2, rng, 4)[0]
        pale = np.array([0.72, 0.82, 0.93]) * rng.uniform(0.9, 1.1) + rng.uniform(0, 0.1)
        tone = (1 + np.float32(0.04) * smooth(size, 0.4, rng, 3))[..., None] * pale.astype(np.float32)
        rgb = _blend(rgb, tone, (ridge - ramp[:, None]) * size)
    drawn["object"] = rng.choice(["coin", "hammer", "person", *[""] * 13]).item()
    drawn["watermark"] = bool(rng.random() < 0.12)
    if drawn["object"] or drawn["watermark"]:
        rgb = _drawn_over(rgb, drawn["object"], drawn["watermark"], rng)
    return rgb


def _blend(below: np.ndarray, above: np.ndarray, cover: np.ndarray) -> np.ndarray:
    cover = np.clip(cover, 0, 1).astype(np.float32)[..., None]
    return below * (1 - cover) + above.astype(np.float32) * cover


def _drawn_over(rgb: np.ndarray, thing: str, watermark: bool, rng: np.random.Generator) -> np.ndarray:
    """Picture with a scale object or a watermark strip."""
    size = len(rgb)
    picture = Image.fromarray((np.clip(rgb, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture, "RGBA")
    x, y = (rng.uniform(0.15, 0.85, 2) * size).tolist()
    if thing == "coin":
        r = rng.uniform(0.02, 0.045) * size
        metal = (150 + int(rng.integers(0, 60)), 140 + int(rng.integers(0, 50)), 110 + int(rng.integers(0, 60)))
        pen.ellipse([x - r + 1, y - r + 2, x + r + 1, y + r + 2], fill=(0, 0, 0, 120))
        pen.ellipse([x - r, y - r, x + r, y + r], fill=metal, outline=tuple(c // 2 for c in metal))
        pen.ellipse([x - 0.5 * r, y - 0.6 * r, x + 0.3 * r, y + 0.5 * r], fill=tuple(min(c + 30, 255) for c in metal))
    elif thing == "hammer":
        angle, r = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.2) * size
        cos, sin = float(np.cos(angle)) * r, float(np.sin(angle)) * r
        pen.line([x, y, x + cos, y + sin], fill=(40, 60, 150), width=max(2, size // 60))
        head = 0.32
        pen.line([x - head * sin, y + head * cos, x + 0.2 * sin, y - 0.2 * cos], fill=(70, 70, 75), width=size // 40)
    elif thing == "person":
        tall = rng.uniform(0.15, 0.3) * size
        y = size * rng.uniform(0.9, 1.02)
        coat = tuple(int(c) for c in rng.integers(20, 220, 3))
        wide = tall * 0.13
        pen.rectangle([x - 0.8 * wide, y - 0.48 * tall, x - 0.1 * wide, y], fill=(35, 40, 60))
        pen.rectangle([x + 0.1 * wide, y - 0.48 * tall, x + 0.8 * wide, y], fill=(35, 40, 60))
        pen.rounded_rectangle([x - wide, y - 0.85 * tall, x + wide, y - 0.42 * tall], wide / 2, fill=coat)
        pen.ellipse([x - 0.5 * wide, y - tall, x + 0.5 * wide, y - 0.84 * tall], fill=(200, 160, 130))
    if watermark:
        high = rng.uniform(0.04, 0.08) * size
        top = float(rng.choice([0, size - high]))
        dark = bool(rng.random() < 0.5)
        pen.rectangle([0, top, size, top + high], fill=(0, 0, 0, 150) if dark else (255, 255, 255, 150))
        ink = (255, 255, 255, 220) if dark else (0, 0, 0, 200)
        for place in np.arange(0.1, rng.uniform(0.4, 0.95), 0.03) * size:
            pen.rectangle([place, top + 0.3 * high, place + 0.018 * size * rng.random(), top + 0.7 * high], fill=ink)
    return np.asarray(picture, np.float32) / np.float32(255)
