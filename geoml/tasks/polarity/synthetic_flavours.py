"""Four flavours of synthetic records, which differ as the real data sets do (method card, table 12.2)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """One column of table 12.2, and where and for how long the traces are recorded.

    Attributes:
        train: samples of the clean P train, of which ``_LEAD`` lie before P.
        before, after: samples of waveform made before and after P.
        noise_counts: range of the noise level above 1 Hz.
        faults: kinds of bad records that the format can hold.
    """

    channels: dict[str, float]
    components: int
    f0_hz: tuple[float, float]
    impulsive: tuple[float, float]
    emergent: tuple[float, float]
    p_emergent: float
    t_star_s: tuple[float, float]
    snr_db: tuple[float, float]
    slope: tuple[float, float]
    microseism: float
    cultural: float
    readable_db: float
    p_skipped: float
    p_flipped: float
    pick_s: tuple[float, float, float] | None
    p_forerunner: float
    reverberation: float
    p_up: float
    quota: tuple[float, float, float]
    networks: tuple[str, ...]
    corner: tuple[float, float]
    train: int = 2048
    before: int = 1100
    after: int = 2100
    noise_counts: tuple[float, float] = (20.0, 400.0)
    faults: tuple[str, ...] = ("flat", "outside", "missing")


FLAVOURS = {
    "ins": Flavour(
        channels={"HH": 0.55, "EH": 0.30, "HN": 0.15},
        components=3,
        f0_hz=(1.5, 10),
        impulsive=(0.6, 1.5),
        emergent=(2, 4),
        p_emergent=0.40,
        t_star_s=(0.01, 0.05),
        snr_db=(26, 12),
        slope=(0.8, 1.6),
        microseism=1.5,
        cultural=0.5,
        readable_db=7,
        p_skipped=0.25,
        p_flipped=0.02,
        pick_s=(0.03, 0.10, 0.12),
        p_forerunner=0.15,
        reverberation=0.30,
        p_up=0.65,
        quota=(0.181, 0.096, 0.723),
        networks=("IV", "MN", "GU"),
        corner=(41.5, 12.0),
    ),
    "hinet": Flavour(
        channels={"U": 1.0},
        components=1,
        f0_hz=(1.5, 12),
        impulsive=(0.4, 1.2),
        emergent=(1.5, 3),
        p_emergent=0.20,
        t_star_s=(0.005, 0.02),
        snr_db=(45, 13),
        slope=(0.3, 0.9),
        microseism=0.15,
        cultural=0.15,
        readable_db=5,
        p_skipped=0.10,
        p_flipped=0.01,
        pick_s=(0.012, 0.03, 0.05),
        p_forerunner=0.10,
        reverberation=0.0,
        p_up=0.58,
        quota=(0.40, 0.28, 0.32),
        networks=("",),
        corner=(31.5, 129.8),
        before=4000,
        after=4000,
        faults=("flat", "outside"),
    ),
    "scsn": Flavour(
        channels={"HH": 0.55, "EH": 0.45},
        components=1,
        f0_hz=(2, 12),
        impulsive=(0.5, 1.5),
        emergent=(1.5, 3.5),
        p_emergent=0.30,
        t_star_s=(0.01, 0.04),
        snr_db=(32, 12),
        slope=(0.6, 1.3),
        microseism=0.6,
        cultural=0.35,
        readable_db=6,
        p_skipped=0.20,
        p_flipped=0.03,
        pick_s=(0.02, 0.05, 0.08),
        p_forerunner=0.12,
        reverberation=0.35,
        p_up=0.56,
        quota=(0.292, 0.229, 0.479),
        networks=("CI", "AZ"),
        corner=(33.0, -118.5),
        train=640,
        before=600,
        after=600,
        faults=("flat",),
    ),
    "pnw": Flavour(
        channels={"BH": 0.40, "HH": 0.25, "EH": 0.35},
        components=3,
        f0_hz=(1.2, 7),
        impulsive=(0.8, 2),
        emergent=(2.5, 4.5),
        p_emergent=0.45,
        t_star_s=(0.02, 0.08),
        snr_db=(24, 11),
        slope=(1.0, 2.0),
        microseism=2.5,
        cultural=0.4,
        readable_db=6,
        p_skipped=0.15,
        p_flipped=0.02,
        pick_s=None,
        p_forerunner=0.25,
        reverberation=0.25,
        p_up=0.545,
        quota=(0.320, 0.267, 0.413),
        networks=("UW", "UO", "CC"),
        corner=(46.0, -123.0),
    ),
}
