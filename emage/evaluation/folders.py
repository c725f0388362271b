"""Which files belong together: folders of BVH and faces (json, csv) of any system, paired with the real recordings by id.

An id is a file's name without its ending. Folders are looked through with all that lies below them. Where one id occurs in
several sub-folders of a system, each sub-folder is a seed. What lies beside the real BVH under the same id is used too:
<id>.json or <id>.csv (face; BEAT's csv of emotions is none), <id>.wav or another sound file (unless --audio),
<id>.TextGrid (unless --textgrid) and <id>.txt (BEAT's semantic labels).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from emage.errors import InputError
from emage.motion.arkit_file import ARKIT_ENDINGS, is_arkit_file
from emage.sound_endings import SOUND_ENDINGS, VIDEO_ENDINGS

BODY_ENDINGS, TEXTGRID_ENDINGS, SEMANTIC_ENDINGS = (".bvh",), (".textgrid",), (".txt",)
GIVEN_FACE = ".given"  # <id>.given.json: a face that a model was given, as test.py writes it
PREFIXES = ("result_raw_", "result_", "res_", "gt_", "target_")  # that BEAT's and EMAGE's test loops put before an id
ONLY_ONE = "all"


@dataclass
class Seed:
    """What one system made with one seed: recording id -> file."""

    bodies: dict[str, Path] = field(default_factory=dict)
    faces: dict[str, Path] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        return set(self.bodies) | set(self.faces)


@dataclass
class Folders:
    """All files of an evaluation.

    Attributes:
        generated: name of the seed (ONLY_ONE without seeds) -> its files.
        reference: the real recordings.
        compare: folder as given -> its seeds.
        audio: recording id -> sound file.
        textgrids: recording id -> TextGrid.
        semantic: recording id -> semantic labels.
        audio_given: whether the user gave a folder of sound.
        notices: what was found odd.
        left_out: rows (id, metric, reason) of files that have no counterpart.
    """

    generated: dict[str, Seed]
    reference: Seed
    compare: dict[str, dict[str, Seed]] = field(default_factory=dict)
    audio: dict[str, Path] = field(default_factory=dict)
    textgrids: dict[str, Path] = field(default_factory=dict)
    semantic: dict[str, Path] = field(default_factory=dict)
    audio_given: bool = False
    notices: list[str] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """Recordings that every seed of every system has, sorted."""
        found = set(self.reference.ids)
        for seeds in (self.generated, *self.compare.values()):
            for seed in seeds.values():
                found &= seed.ids
        return sorted(found)

    @classmethod
    def find(
        cls,
        generated: str | Path,
        reference: str | Path,
        *,
        audio: str | Path | None = None,
        textgrid: str | Path | None = None,
        compare: Iterable[str | Path] = (),
    ) -> "Folders":
        """Looks for the files; none is opened.

        Raises:
            InputError: a folder is not there or holds nothing usable, an id occurs twice, or no id is on both sides.
        """
        real = _one_seed(_seeds(Path(reference), "--reference"), reference)
        found = cls(_seeds(Path(generated), "--generated"), real, audio_given=audio is not None)
        found.compare = {str(folder): _seeds(Path(folder), "--compare") for folder in compare}
        found._match_ids(generated, reference)
        # A video beside the real motion may be one of our own pictures of it: its sound is only used where it is asked for.
        endings = SOUND_ENDINGS if audio is None else SOUND_ENDINGS + VIDEO_ENDINGS
        found.audio = _files_by_id(Path(reference if audio is None else audio), endings, "--audio")
        grids = Path(reference if textgrid is None else textgrid)
        found.textgrids = _files_by_id(grids, TEXTGRID_ENDINGS, "--textgrid")
        found.semantic = _files_by_id(Path(reference), SEMANTIC_ENDINGS, "--reference")
        if audio is None and found.audio.keys() & set(found.ids):
            found.notices.append("the audio is that which lies beside the reference")
        found._list_unmatched()
        return found

    def _match_ids(self, generated: str | Path, reference: str | Path) -> None:
        """Brings ids with a test loop's prefix to those without, where that makes files meet."""
        if not self.ids:
            sides = [self.reference, *(s for seeds in (self.generated, *self.compare.values()) for s in seeds.values())]
            for seed in sides:
                seed.bodies, seed.faces = _without_prefix(seed.bodies), _without_prefix(seed.faces)
            if self.ids:
                self.notices.append("ids are read without the prefix of a test loop (res_, gt_, result_raw_ ...)")
        if not self.ids:
            own, real = (
                sorted(ids) for ids in (set().union(*(s.ids for s in self.generated.values())), self.reference.ids)
            )
            names = f"generated {', '.join(own[:3])}{' ...' if len(own) > 3 else ''}; reference {', '.join(real[:3])}"
            more = " ..." if len(real) > 3 else ""
            raise InputError(
                f"{generated} and {reference}: no recording is in both: {names}{more}; files are paired by their names"
            )

    def _list_unmatched(self) -> None:
        used = set(self.ids)
        systems = {"generated": self.generated, **self.compare}
        for name, seeds in systems.items():
            whose = "generated motion" if name == "generated" else f"motion in {name}"
            for seed_name, seed in seeds.items():
                of = "" if seed_name == ONLY_ONE else f" (seed {seed_name})"
                for key in sorted(self.reference.ids - seed.ids):
                    self.left_out.append({"id": key, "metric": "all", "reason": f"no {whose}{of}"})
                for key in sorted(seed.ids - self.reference.ids):
                    self.left_out.append({"id": key, "metric": "all", "reason": f"{whose}{of}, but no reference"})
        if self.audio_given or any(key in self.audio for key in used):
            rows = [key for key in sorted(used) if key not in self.audio]
            self.left_out += [{"id": key, "metric": "beat_align", "reason": "no audio of it"} for key in rows]


def _seeds(folder: Path, option: str) -> dict[str, Seed]:
    """The files of a system, by seed."""
    if not folder.is_dir():
        raise InputError(f"{option}: no folder {folder}; give one with <id>.bvh and <id>.json (or .csv) files")
    bodies = _files(folder, BODY_ENDINGS)
    faces = _faces(_files(folder, ARKIT_ENDINGS), {path.stem for path in bodies})
    if not bodies and not faces:
        raise InputError(f"{option}: {folder} holds no .bvh file and no ARKit .json or .csv")
    twice = len({path.stem for path in bodies}) < len(bodies) or len({path.stem for path in faces}) < len(faces)
    seeds: dict[str, Seed] = {}
    for path in (*bodies, *faces):
        parts = path.relative_to(folder).parts
        if twice and len(parts) == 1:
            raise InputError(
                f"{option}: {path} occurs in a sub-folder of {folder} too; give each seed a folder of its own"
            )
        seed = seeds.setdefault(parts[0] if twice else ONLY_ONE, Seed())
        table = seed.bodies if path in set(bodies) else seed.faces
        if path.stem in table:
            raise InputError(f"{option}: {path} and {table[path.stem]}: one id twice; keep one of them")
        table[path.stem] = path
    return dict(sorted(seeds.items()))


def _one_seed(seeds: dict[str, Seed], folder: str | Path) -> Seed:
    if len(seeds) > 1:
        shared = sorted(set.intersection(*(seed.ids for seed in seeds.values()))) or ["some recordings"]
        raise InputError(
            f"--reference: {folder} holds {shared[0]} in several sub-folders ({', '.join(seeds)}); there is one real motion"
        )
    return next(iter(seeds.values()))


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file()]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _files_by_id(folder: Path, endings: tuple[str, ...], option: str) -> dict[str, Path]:
    """Of several files of one id the one whose ending comes first, then the first in the order of their paths."""
    if not folder.is_dir():
        raise InputError(f"{option}: no folder {folder}")
    found: dict[str, Path] = {}
    for path in sorted(_files(folder, endings), key=lambda path: endings.index(path.suffix.lower())):
        found.setdefault(path.stem, path)
    return found


def _faces(paths: list[Path], bodies: set[str]) -> list[Path]:
    """The faces among json and csv files; of a json and a csv of one name and folder the json."""
    faces = [
        path
        for path in paths
        if path.suffixes[-2:-1] != [GIVEN_FACE]
        and (is_arkit_file(path) or (path.suffix.lower() == ".json" and path.stem in bodies))
    ]
    jsons = {path.with_suffix("") for path in faces if path.suffix.lower() == ".json"}
    return [path for path in faces if path.suffix.lower() == ".json" or path.with_suffix("") not in jsons]


def _without_prefix(files: dict[str, Path]) -> dict[str, Path]:
    plain: dict[str, Path] = {}
    for key, path in files.items():
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
        plain.setdefault(key[len(prefix) :], path)
    return plain
