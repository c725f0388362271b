"""The training loop: the same for every task, on 1 CPU, 1 GPU or N processes. Its unit is the step, one update.

A task says what is trained (build_model, train_step, eval_step); the loop does batches, accumulation, clipping, rate,
moving average, validation, logs and checkpoints. Nothing in step k depends on where the run was interrupted before it:
batch, rate and torch's seed are functions of (config.seed, k, rank), all else is in the resume state.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader

from emage.checkpoint import Bundle, save_bundle
from emage.models.quantizer import EMAQuantizer, update_codebooks
from emage.training.batches import StepBatches, WindowOrder, draw_seeds, step_seed
from emage.training.checkpoint import Progress, load_resume, save_resume
from emage.training.optimizer import WeightAverage, build_optimizer, learning_rate, set_training
from emage.training.processes import all_agree, main_decides, refuse_differences, share_weights
from emage.training.protocols import Batch, Task, TrainingCorpus
from emage.training.recorder import Recorder
from emage.training.run import Run
from emage.training.run_info import corpus_facts, window_counts, window_lines
from emage.training.validation import evaluate

logger = logging.getLogger(__name__)


class Trainer:
    """Trains one task in one run folder."""

    def __init__(self, run: Run, task: Task, corpus: TrainingCorpus, collate: Callable[[list[Any]], Batch]):
        """Builds the network from config.seed and picks up the resume state, if there is one.

        Raises:
            InputError: there are no windows to train on, the processes have different data, or the resume state cannot
                be used.
        """
        self.folder, self.share, self.accelerator = run, run.share, run.accelerator
        self.config, self.optim = run.config, run.config.optim
        self.task, self.corpus, self.collate = task, corpus, collate
        refuse_differences(all_agree(lambda: corpus_facts(corpus)))
        self.train_windows = all_agree(lambda: corpus.windows("train"))
        # One process decides: a collective that only some of them join hangs.
        validates = main_decides(lambda: bool(corpus.entries["val"]))
        self.val_windows = all_agree(lambda: corpus.windows("val")) if validates else None
        self.window_counts = window_counts(self.train_windows, self.val_windows, self.optim)
        refuse_differences(self.window_counts)
        torch.manual_seed(self.config.seed)
        is_main = self.accelerator.is_main_process
        build = task.build_model if is_main else getattr(task, "build_network", task.build_model)
        self.raw_model = all_agree(build).to(self.accelerator.device)
        share_weights(self.raw_model)
        # The copy must be made before `prepare`, which ties the model's `forward` to the model itself.
        self.average = WeightAverage(self.raw_model, self.optim.ema_decay) if self.optim.ema_decay else None
        self.optimizer = build_optimizer(self.raw_model, self.optim)
        self.codebooks = [module for module in self.raw_model.modules() if isinstance(module, EMAQuantizer)]
        progress = load_resume(run.resume, self.raw_model, self.optimizer, average=self.average)
        self.progress = progress or Progress(world_size=self.share.world_size)
        self.model = self.accelerator.prepare(self.raw_model)

    def run(self) -> None:
        """Trains up to optim.max_steps, validates, and writes best/ and last/.

        Raises:
            InputError: the loss is not finite.
        """
        self.folder.begin()
        self._announce()
        progress, max_steps = self.progress, self.optim.max_steps
        recorder = Recorder(
            self.folder.path,
            self.accelerator,
            first_step=progress.step,
            max_steps=max_steps,
            log_every=self.optim.log_every,
        )
        try:
            set_training(self.model, freeze_batch_norm=self.optim.freeze_batch_norm)
            batches = self._batches()
            while progress.step < max_steps:
                recorder.add(progress.step + 1, self._update(batches))
                progress.step += 1
                if progress.step < max_steps:
                    self._between_steps(recorder)
            recorder.report(progress.step, learning_rate(progress.step - 1, self.optim))
            self._validate(recorder)
            self._save(recorder)
        finally:
            recorder.close()
        logger.info("finished: %d steps, checkpoints in %s and %s", progress.step, self.folder.last, self.folder.best)

    def _update(self, batches: Iterator[Batch]) -> dict[str, Tensor]:
        """One update of the weights; returns the scalars of this process's part of the batch."""
        optim, step = self.optim, self.progress.step
        torch.manual_seed(step_seed(self.config.seed, step, self.share.rank))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, optim)
        totals: dict[str, Tensor] = {}
        micro_batches = islice(batches, optim.accumulation_steps)
        if step == 0 and optim.accumulation_steps > 1 and hasattr(self.task, "before_first_step"):
            first_step = list(micro_batches)
            self.task.before_first_step(self.raw_model, first_step)
            micro_batches = iter(first_step)
        for micro_step, batch in enumerate(micro_batches):
            is_last = micro_step == optim.accumulation_steps - 1
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(self.model):
                loss, scalars = self.task.train_step(self.model, batch)
                self.accelerator.backward(loss / optim.accumulation_steps)
            for name, value in {"loss": loss, **scalars}.items():
                totals[name] = totals.get(name, 0.0) + value.detach() / optim.accumulation_steps
        if optim.grad_clip:
            totals["grad_norm"] = self.accelerator.clip_grad_norm_(self.model.parameters(), optim.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        update_codebooks(self.codebooks)
        if self.average is not None:
            self.average.update(self.raw_model, step)
        return totals

    def _between_steps(self, recorder: Recorder) -> None:
        step, optim = self.progress.step, self.optim
        if step % optim.log_every == 0:
            recorder.report(step, learning_rate(step - 1, optim))
        if step % optim.eval_every == 0:
            self._validate(recorder)
        if step % optim.save_every == 0:
            self._save(recorder)

    def _validate(self, recorder: Recorder) -> None:
        """Judges the weights that a checkpoint would hold; the lowest loss so far goes to best/."""
        progress = self.progress
        if self.val_windows is None or progress.val_step == progress.step:  # killed after the last step's validation
            return
        recorder.flush()
        torch.manual_seed(self.config.seed)  # the next step seeds anew
        scalars = evaluate(
            self.task.eval_step,
            self._checkpoint_model(),
            self.val_windows,
            collate=self.collate,
            accelerator=self.accelerator,
            share=self.share,
            seed=self.config.seed,
        )
        set_training(self.model, freeze_batch_norm=self.optim.freeze_batch_norm)
        loss = scalars["loss"]
        is_best = progress.best_loss is None or loss < progress.best_loss
        recorder.validation(progress.step, scalars, is_best=is_best)
        progress.val_step, progress.val_loss = progress.step, loss
        if is_best:
            progress.best_loss, progress.best_step = loss, progress.step
            self._write_checkpoint(self.folder.best)

    def _save(self, recorder: Recorder) -> None:
        """Writes resume/ and then last/, which therefore tells, at the last step, that all is written."""
        recorder.flush()
        if self.val_windows is None:
            self.progress.best_step = self.progress.step
            self._write_checkpoint(self.folder.best)
        state = (self.folder.resume, self.raw_model, self.optimizer)
        main_decides(lambda: save_resume(*state, average=self.average, progress=self.progress))
        self._write_checkpoint(self.folder.last)

    def _write_checkpoint(self, folder: Path) -> None:
        main_decides(lambda: save_bundle(folder, self._bundle()))

    def _bundle(self) -> Bundle:
        corpus = self.corpus
        return Bundle(
            model=self._checkpoint_model(),
            config=self.config,
            statistics=corpus.statistics,
            vocabulary=corpus.vocabulary,
            speakers=corpus.speakers,
            skeletons=corpus.skeletons,
            info=self._info(),
        )

    def _checkpoint_model(self) -> nn.Module:
        """The network whose weights a checkpoint holds: the moving average, if there is one."""
        return self.raw_model if self.average is None else self.average.module

    def _batches(self) -> Iterator[Batch]:
        """Batches of this process on its device, from the next step on, without end."""
        device = self.accelerator.device
        # A mixture of corpora draws by itself; its windows are seen in their order.
        order = getattr(self.train_windows, "order", None) or WindowOrder(len(self.train_windows), self.config.seed)
        on_gpu = device.type == "cuda"
        loader = DataLoader(
            self.train_windows,
            batch_sampler=StepBatches(order, self.share, first_step=self.progress.step),
            collate_fn=self.collate,
            num_workers=self.config.data.num_workers,
            pin_memory=on_gpu,
            generator=torch.Generator(),  # the loader draws once at its start: not to come from the first step's draws
        )
        share, calls = self.share, self.progress.step * self.optim.accumulation_steps
        for call, batch in enumerate(loader, start=calls):
            step, micro_step = divmod(call, self.optim.accumulation_steps)
            first = (micro_step * share.world_size + share.rank) * share.micro_batch_size
            batch = send_to_device(batch, device, non_blocking=on_gpu)
            batch["draw_seed"] = draw_seeds(self.config.seed, step, range(first, first + share.micro_batch_size))
            batch["progress"] = torch.tensor(step / max(1, self.optim.max_steps))
            yield batch

    def _num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.raw_model.parameters())

    def _info(self) -> dict[str, Any]:
        """What info.json says of a checkpoint."""
        from emage import __version__

        config, progress = self.config, self.progress
        return {
            "model": config.model.name,
            "layout": config.model.layout,
            "parameters": self._num_parameters(),
            "steps": progress.step,
            "val_loss": progress.val_loss,
            "best_step": progress.best_step,
            "best_val_loss": progress.best_loss,
            "moving_average": self.average is not None,
            "corpus": {
                "format": config.data.format,
                "fps": config.data.fps,
                "speakers": list(self.corpus.speakers.labels),
                **self.window_counts,
            },
            "version": __version__,
        }

    def _announce(self) -> None:
        share, optim, progress = self.share, self.optim, self.progress
        device = self.accelerator.device
        logger.info("%s: %s parameters on %s", self.config.model.name, f"{self._num_parameters():,}", device)
        split = (share.world_size, optim.accumulation_steps, share.micro_batch_size)
        logger.info("world size %d; %d windows a step = %d process(es) x %d x %d", split[0], share.batch_size, *split)
        for line in window_lines(self.window_counts, optim.max_steps):
            logger.info("%s", line)
        if self.val_windows is None:
            logger.warning("no validation windows: best/ is the newest checkpoint, the same as last/")
        if 0 < optim.max_steps <= optim.warmup_steps:
            logger.warning("optim.warmup_steps=%d: the rate is still rising at the last step", optim.warmup_steps)
        if progress.step:
            logger.info("resuming after step %d of %d", progress.step, optim.max_steps)
        if progress.world_size != share.world_size:
            logger.warning("the run began on %d process(es): it goes on, but not exactly alike", progress.world_size)
