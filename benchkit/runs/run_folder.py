"""The folder of one run: its records and tables, and whether they are what was written."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from benchkit import io
from benchkit.errors import DamageError
from benchkit.files import checksums
from benchkit.io import folder_name
from benchkit.runs import records
from benchkit.runs.ledger import Ledger
from benchkit.runs.record_files import damage_error, read_record, remove, write_record
from benchkit.runs.record_tables import check_verdicts, read_stored_table
from benchkit.runs.records import JudgementManifest, Manifest

_AGAIN = "run it again"
_JUDGE_AGAIN = "judge it again"
_LOG = "log.jsonl"
_TABLES = ("predictions.parquet", "metrics.parquet")


class Run:
    """The folder of one run.

    Args:
        path: The folder.
        ledger: Says what the suite's records are; None for a folder outside a store.
    """

    def __init__(self, path: Path, ledger: Ledger | None = None) -> None:
        self.path = path
        self._ledger = ledger

    @property
    def scratch(self) -> Path:
        """Where the recommender keeps checkpoints; it outlives an interrupted attempt."""
        return self.path / "scratch"

    @property
    def artifacts(self) -> Path:
        """What the recommender stores of its training, e.g. preferences and margins."""
        return self.path / "artifacts"

    @property
    def log(self) -> Path:
        return self.path / _LOG

    def manifest(self) -> Manifest | None:
        """Return the manifest, None if the run was never started.

        Raises:
            DamageError: It, or a file of a complete run, is not what was written.
        """
        manifest = self.recorded_manifest()
        if manifest is not None and (damage := self._find_damage(manifest)):
            raise damage_error(self.path, damage, _AGAIN)
        return manifest

    def recorded_manifest(self) -> Manifest | None:
        """Return the manifest without a look at the tables beside it, for what rests on it alone.

        Raises:
            DamageError: It is not what was written.
        """
        return read_record(self.path / "manifest.json", Manifest, self._ledger, _AGAIN)

    def intact_manifest(self) -> Manifest | None:
        """Return the manifest, None if the run was never started or is damaged."""
        with suppress(DamageError):
            return self.manifest()
        return None

    def write_manifest(self, manifest: Manifest) -> Manifest:
        """Write the manifest and return it as it was written; it enters the ledger first where
        the run has ended.

        That of a complete run gets the checksums of its files, unless it has them.
        """
        if manifest.status == "complete" and not manifest.files:
            with io.wrap_io_errors(self.path):
                files = {
                    name: checksums.checksum_file(self.path / name) for name in self._list_files()
                }
            manifest = manifest.model_copy(update={"files": files})
        ledger = None if manifest.status == "started" else self._ledger
        write_record(self.path / "manifest.json", manifest, ledger)
        return manifest

    def predictions(self, columns: Sequence[str] = ()) -> pl.DataFrame:
        """Return the answers, in the order of the cases (schema `records.PREDICTIONS_SCHEMA`).

        Args:
            columns: Read only those of these that there are; by default all.
        """
        schema = records.PREDICTIONS_SCHEMA
        optional = schema.keys() - records.predictions_schema(1).keys()
        if columns:
            schema = {name: schema[name] for name in columns}
        path = self.path / "predictions.parquet"
        return read_stored_table(path, schema, _AGAIN, optional, only=bool(columns))

    def metrics(self) -> pl.DataFrame:
        """Return a value a case and metric (schema `records.METRICS_SCHEMA`)."""
        return read_stored_table(self.path / "metrics.parquet", records.METRICS_SCHEMA, _AGAIN)

    def judgements(self) -> list[JudgementManifest]:
        """Return the judgements of the run, in the order of their files."""
        records_of_judges = map(self.read_judgement, self.judgement_paths())
        return [record for record in records_of_judges if record is not None]

    def judgement_paths(self) -> list[Path]:
        """Return the files of judgements, those that are gone and should be there included."""
        paths = set(self._judgements.glob("*.json"))
        paths |= {path.with_suffix(".json") for path in self._judgements.glob("*.parquet")}
        if self._ledger is not None:
            paths |= set(self._ledger.list_records(self._judgements))
        return sorted(paths)

    def judgement(self, label: str, judge_id: str) -> JudgementManifest | None:
        """Return the judgement of one judge, None if it was never started.

        Raises:
            DamageError: It, or its verdicts, are not what was written.
        """
        return self.read_judgement(self._judgements / f"{folder_name(label)}-{judge_id}.json")

    def read_judgement(self, path: Path) -> JudgementManifest | None:
        """Return the judgement of a file, None if it was never started; see `judgement`."""
        judgement = read_record(path, JudgementManifest, self._ledger, _JUDGE_AGAIN)
        if judgement is None:
            return None
        if path != self._verdicts(judgement).with_suffix(".json"):
            raise damage_error(path, "it is the record of another judge", _JUDGE_AGAIN)
        if self._ledger is not None and folder_name(judgement.run_id) != self.path.name:
            raise damage_error(path, f"it judges run {judgement.run_id}", _JUDGE_AGAIN)
        if judgement.status != "complete" or not records.has_checksums(judgement.schema_version):
            return judgement
        table = self._verdicts(judgement)
        if judgement.verdicts_file is None:
            raise damage_error(path, f"it has no checksum of {table.name}", _JUDGE_AGAIN)
        if damage := checksums.find_damage(path.parent, {table.name: judgement.verdicts_file}):
            raise damage_error(path, damage, _JUDGE_AGAIN)
        return judgement

    def intact_judgement(self, label: str, judge_id: str) -> JudgementManifest | None:
        """Return the judgement of one judge, None if it was never started or is damaged."""
        with suppress(DamageError):
            return self.judgement(label, judge_id)
        return None

    def verdicts(self, judgement: JudgementManifest) -> pl.DataFrame:
        """Return the verdicts of a complete judgement (schema `records.JUDGEMENTS_SCHEMA`).

        Raises:
            DamageError: They cannot be read, or have grades that the rubric does not know.
        """
        path = self._verdicts(judgement)
        optional = records.ADDED_TO_JUDGEMENTS
        table = read_stored_table(path, records.JUDGEMENTS_SCHEMA, _JUDGE_AGAIN, optional)
        if problem := check_verdicts(table, judgement.rubric):
            raise damage_error(path, problem, _JUDGE_AGAIN)
        return table

    def write_judgement(
        self, judgement: JudgementManifest, verdicts: pl.DataFrame | None = None
    ) -> None:
        """Write the verdicts, then the manifest that makes them count."""
        path = self._verdicts(judgement)
        if verdicts is not None:
            remove(path, only_folder=True)
            io.write_parquet(path, verdicts)
            checksum = checksums.checksum_file(path)
            judgement = judgement.model_copy(update={"verdicts_file": checksum})
        ledger = None if judgement.status == "started" else self._ledger
        write_record(path.with_suffix(".json"), judgement, ledger)

    def _find_damage(self, manifest: Manifest) -> str:
        """Return what is wrong with the folder of a manifest, in words; empty if nothing is."""
        place = [manifest.suite, manifest.task, manifest.label, manifest.run_id]
        expected = tuple(folder_name(name) for name in place)
        if self._ledger is not None and self.path.parts[-4:] != expected:
            return f"its manifest is that of {'/'.join(expected)}"
        if manifest.status != "complete" or not records.has_checksums(manifest.schema_version):
            return ""
        for name in self._list_files():
            if name not in manifest.files:
                return f"{name} was added to it"
        return checksums.find_damage(self.path, manifest.files, growing=(_LOG,))

    def _list_files(self) -> list[str]:
        """Return the files whose checksums are in the manifest."""
        names = checksums.list_files(self.artifacts)
        return [
            *(name for name in (*_TABLES, _LOG) if (self.path / name).is_file()),
            *(f"{self.artifacts.name}/{name}" for name in names),
        ]

    @property
    def _judgements(self) -> Path:
        return self.path / "judgements"

    def _verdicts(self, judgement: JudgementManifest) -> Path:
        return self._judgements / f"{folder_name(judgement.label)}-{judgement.judge_id}.parquet"

    def clear(self) -> None:
        """Remove what an earlier attempt left, except its scratch folder."""
        if self._ledger is not None:
            self._ledger.forget(self.path)
        for name in ("manifest.json", "predictions.parquet", "metrics.parquet", _LOG):
            remove(self.path / name)
        remove(self._judgements)  # of answers that are gone
        if not self.scratch.is_dir():  # else training goes on, and so do its records
            remove(self.artifacts)

    def finish(self, manifest: Manifest, tables: dict[str, pl.DataFrame]) -> Manifest:
        """Write the tables, then the manifest: only its last rename makes the run a result.

        Returns:
            The manifest with the checksums of the files.
        """
        for name, table in tables.items():
            io.write_parquet(self.path / f"{name}.parquet", table)
        manifest = self.write_manifest(manifest)
        shutil.rmtree(self.scratch, ignore_errors=True)
        return manifest
