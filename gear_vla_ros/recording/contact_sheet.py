"""An episode at a glance: one row a camera, columns over time, the current chunk drawn into each picture."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gear_vla_ros.recording.frames import Array, Pinhole, chunk_points
from gear_vla_ros.recording.moments import Episode, Moment, read_moments
from gear_vla_ros.settings import CameraSpec, RobotSpec

COLUMNS = 6
WIDTH = 1600
MARGIN, GAP, LABEL = 24, 8, 28
HEAD, COLUMN_HEAD, FOOT = 92, 44, 56
SMOOTH = 3
"""Pictures are drawn so many times larger, then reduced: smooth lines."""
BACKGROUND, PANEL, INK, FAINT_INK = (250, 250, 248), (228, 228, 224), (28, 30, 33), (110, 114, 120)
ARM_COLOURS = {"left": (0, 166, 214), "right": (255, 122, 0)}
FAR_OUTSIDE = 1e5
"""Pixels from the origin beyond which nothing is drawn."""
FADED = 0.15
"""Opacity of a chunk's last step; the first has 1."""


def save_contact_sheet(folder: Path, spec: RobotSpec, out_png: Path) -> Path:
    """Draw the episode in `folder` (or an .mcap) as a PNG 1600 pixels wide; its path.

    A camera, chunk or transform that was not recorded is left out of the picture. Raises RecordingError when there is
    no episode or it has no message, OSError when the picture cannot be written.
    """
    episode = read_moments(folder, spec, COLUMNS)
    sheet = _Sheet(episode, spec).draw()
    out_png.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out_png, "PNG")
    return out_png


class _Sheet:
    """Layout of one sheet: head, a row a camera, legend."""

    def __init__(self, episode: Episode, spec: RobotSpec) -> None:
        self._episode, self._spec = episode, spec
        self._cell_width = (WIDTH - 2 * MARGIN - LABEL - (COLUMNS - 1) * GAP) // COLUMNS
        heights = [round(self._cell_width * self._aspect(camera)) for camera in spec.cameras]
        tops = np.cumsum([HEAD + COLUMN_HEAD, *(height + GAP for height in heights)]).tolist()
        self._rows = list(zip(spec.cameras, tops[:-1], heights, strict=True))
        self._sheet = Image.new("RGB", (WIDTH, tops[-1] + FOOT), BACKGROUND)
        self._pen = ImageDraw.Draw(self._sheet)

    def draw(self) -> Image.Image:
        self._draw_head()
        for column, moment in enumerate(self._episode.moments):
            left = MARGIN + LABEL + column * (self._cell_width + GAP)
            self._draw_column_head(left, moment)
            for camera, top, height in self._rows:
                self._sheet.paste(_picture(moment, camera, self._cell_width, height), (left, top))
        for camera, top, height in self._rows:
            self._draw_label(camera.role.replace("_", " "), top, height)
        self._draw_legend()
        return self._sheet

    def _aspect(self, camera: CameraSpec) -> float:
        """Height / width of what was recorded, else of the YAML."""
        seen = (moment.images[camera.role] for moment in self._episode.moments if camera.role in moment.images)
        shape = next((one.pixels.shape for one in seen if one.pixels is not None), (camera.height, camera.width))
        return shape[0] / shape[1]

    def _draw_head(self) -> None:
        episode, about = self._episode, self._episode.about
        said = list(dict.fromkeys(moment.instruction for moment in episode.moments if moment.instruction))
        title = _short("  /  ".join(said) or "no instruction", 26, WIDTH - 2 * MARGIN)
        self._pen.text((MARGIN, 18), title, INK, _font(26))
        begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(episode.first_ns // 10**9))
        seconds = (episode.last_ns - episode.first_ns) / 1e9
        facts = [self._spec.name, episode.name, begun, f"{seconds:.1f} s"]
        facts += [about.get(key, "") for key in ("outcome", "error")]
        line = _short("   ·   ".join(fact for fact in facts if fact), 17, WIDTH - 2 * MARGIN)
        self._pen.text((MARGIN, 58), line, FAINT_INK, _font(17))

    def _draw_column_head(self, left: int, moment: Moment) -> None:
        seconds = (moment.log_ns - self._episode.first_ns) / 1e9
        self._pen.text((left, HEAD + 2), f"{seconds:.2f} s", INK, _font(18))
        chunk = "no chunk" if moment.chunk is None else f"chunk {moment.chunk.sequence}"
        self._pen.text((left, HEAD + 24), chunk, FAINT_INK, _font(14))

    def _draw_label(self, text: str, top: int, height: int) -> None:
        label = Image.new("RGB", (height, LABEL), BACKGROUND)
        ImageDraw.Draw(label).text((height / 2, LABEL / 2 - 3), text, INK, _font(18), anchor="mm")
        self._sheet.paste(label.rotate(90, expand=True), (MARGIN - 4, top))

    def _draw_legend(self) -> None:
        x, y = float(MARGIN + LABEL), self._sheet.height - FOOT / 2
        for arm in self._spec.arms:
            colour = ARM_COLOURS[arm.name]
            for step in range(30):
                blend = _blend(colour, BACKGROUND, _opacity(step / 29))
                self._pen.line([(x + 2 * step, y), (x + 2 * step + 2, y)], blend, 5)
            self._pen.ellipse([x - 5, y - 5, x + 5, y + 5], colour)
            text = f"{arm.name} tool, from the chunk's stamp to its last step"
            self._pen.text((x + 72, y), text, INK, _font(15), anchor="lm")
            x += 72 + _font(15).getlength(text) + 40
        self._pen.ellipse([x - 6, y - 6, x + 6, y + 6], None, INK, 2)
        self._pen.text((x + 14, y), "gripper closes here", INK, _font(15), anchor="lm")


def _picture(moment: Moment, camera: CameraSpec, width: int, height: int) -> Image.Image:
    """One camera at one moment, with the chunk."""
    seen = moment.images.get(camera.role)
    if seen is None:
        return _panel("no image", width, height)
    if seen.pixels is None:
        return _panel("not to be decoded", width, height)
    large = Image.fromarray(seen.pixels).resize((SMOOTH * width, SMOOTH * height), Image.Resampling.BICUBIC)
    pinhole = moment.cameras.get(camera.role, Pinhole.from_spec(camera)).scaled(*large.size)
    overlay = Image.new("RGBA", large.size)
    for arm, line, closing in _lines(moment, seen.frame or camera.frame, pinhole):
        _draw_line(ImageDraw.Draw(overlay), line, closing, ARM_COLOURS.get(arm, INK))
    large.paste(overlay, (0, 0), overlay)
    return large.resize((width, height), Image.Resampling.LANCZOS)


def _panel(text: str, width: int, height: int) -> Image.Image:
    panel = Image.new("RGB", (width, height), PANEL)
    ImageDraw.Draw(panel).text((width / 2, height / 2), text, FAINT_INK, _font(16), anchor="mm")
    return panel


def _lines(moment: Moment, optical_frame: str, pinhole: Pinhole) -> Iterator[tuple[str, Array, int | None]]:
    """Arm, pixels `[1 + K, 2]`, and the step at which its gripper closes, of the chunk at this moment."""
    if moment.chunk is None:
        return
    for arm, (base_frame, base_points, gripper) in chunk_points(moment.chunk).items():
        optical_T_base = moment.frames.between(optical_frame, base_frame)
        if optical_T_base is None:
            continue
        optical_points = base_points @ optical_T_base[:3, :3].T + optical_T_base[:3, 3]
        closes = np.flatnonzero((gripper[:-1] >= 0.5) & (gripper[1:] < 0.5))
        yield arm, pinhole.project(optical_points), int(closes[0]) + 2 if closes.size else None


def _draw_line(pen: ImageDraw.ImageDraw, pixels: Array, closing: int | None, colour: tuple[int, int, int]) -> None:
    """Last step first, so that what comes soon lies on top."""
    seen = [all(abs(value) < FAR_OUTSIDE for value in point) for point in pixels.tolist()]
    last = max(len(pixels) - 1, 1)
    for i in reversed(range(len(pixels) - 1)):
        if seen[i] and seen[i + 1]:
            alpha = round(255 * _opacity(i / last))
            pen.line([tuple(pixels[i]), tuple(pixels[i + 1])], (*colour, alpha), 3 * SMOOTH, joint="curve")
    if closing is not None and seen[closing]:
        pen.circle(tuple(pixels[closing]), 6 * SMOOTH, None, (*colour, 255), 2 * SMOOTH)
    if len(pixels) and seen[0]:
        pen.circle(tuple(pixels[0]), 4 * SMOOTH, (*colour, 255), (255, 255, 255, 255), SMOOTH)


def _opacity(share: float) -> float:
    return 1.0 - (1.0 - FADED) * share


def _blend(colour: tuple[int, int, int], below: tuple[int, int, int], opacity: float) -> tuple[int, int, int]:
    r, g, b = (round(opacity * c + (1 - opacity) * u) for c, u in zip(colour, below, strict=True))
    return r, g, b


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("pillow was built without FreeType, the contact sheet needs it: pip install pillow")
    return font


def _short(text: str, size: int, width: int) -> str:
    """The text, cut so that it fits."""
    text = " ".join(text.split())
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
