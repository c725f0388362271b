"""CaMN, the cascaded motion network: gesture from sound, words, speaker, emotion and face.

Published by BEAT 2022 (camn.py); parameter names and shapes are kept so that its weights can be loaded. What differs:
features of the sound lie at the true frame times, columns come from the layout, and the face may be predicted.

Shapes: B batch, T frames, S samples, D columns of the layout, C features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emage.config import CaMNConfig
from emage.errors import InputError
from emage.models.encoders import (
    LogMelEncoder,
    TextEncoder,
    WaveformEncoder,
    emotion_convolutions,
    face_convolutions,
    fusion,
)
from emage.models.face import FacePath
from emage.models.layers import BasicBlock, bidirectional_lstm, run_bidirectional
from emage.motion.layout import get_layout

AUDIO_ENCODERS = {"waveform": WaveformEncoder, "log_mel": LogMelEncoder}
FACE_LAYOUT = "arkit_51"
FACE_HEAD_CHANNELS = 128


@dataclass
class CaMNOutput:
    """What CaMN generates, in float32 whatever the precision inside.

    Attributes:
        motion: (B, T, D) z-scored.
        face: (B, T, 51) z-scored, or None where the face is not predicted.
    """

    motion: Tensor
    face: Tensor | None


class CaMN(nn.Module):
    """Each input is encoded knowing those before it in the cascade; the body is generated first, then the hands.

    Args:
        config: sizes and options; the defaults are the published network.

    Raises:
        InputError: a layout without hands, or a wrong number of audio channels.
    """

    body_columns: Tensor
    hand_columns: Tensor

    def __init__(self, config: CaMNConfig) -> None:
        super().__init__()
        self.config = config
        layout = get_layout(config.layout)
        hands = layout.part_columns("camn_hands")
        is_body = torch.ones(layout.dim, dtype=torch.bool).index_fill(0, hands, False)
        self.register_buffer("body_columns", is_body.nonzero()[:, 0], persistent=False)
        self.register_buffer("hand_columns", hands, persistent=False)
        self.num_columns = layout.dim
        context_dim = config.speaker_dim + config.emotion_dim + config.text_dim + config.audio_dim
        self._build_encoders(config)
        seed_dim = layout.dim + 1 if config.seed_frames else 0  # and whether the frame is given
        input_dim = seed_dim + context_dim + (config.face_dim if config.face_input else 0)
        lstm = {"num_layers": config.num_layers, "dropout": config.dropout}
        self.LSTM = bidirectional_lstm(input_dim, config.hidden, **lstm)
        self.out = _output_layers(config.hidden, len(self.body_columns))
        self.LSTM_hands = bidirectional_lstm(input_dim + len(self.body_columns), config.hidden, **lstm)
        self.out_hands = _output_layers(config.hidden, len(hands))
        if config.face_trunk_config is not None:
            self.face_path = FacePath(config.face_trunk_config, config.num_speakers)
        elif config.predict_face:
            self.face_decoder = nn.Sequential(
                BasicBlock(context_dim, FACE_HEAD_CHANNELS, kernel_size=3),
                BasicBlock(FACE_HEAD_CHANNELS, FACE_HEAD_CHANNELS, kernel_size=3, shortcut_conv=False),
                nn.Conv1d(FACE_HEAD_CHANNELS, get_layout(FACE_LAYOUT).dim, 1),
            )

    def _build_encoders(self, config: CaMNConfig) -> None:
        self.speaker_embedding = nn.Sequential(
            nn.Embedding(config.num_speakers, config.speaker_dim),
            nn.Linear(config.speaker_dim, config.speaker_dim),
            nn.LeakyReLU(0.1),
        )
        self.emotion_embedding = nn.Sequential(
            nn.Embedding(config.num_emotions, config.emotion_dim), nn.Linear(config.emotion_dim, config.emotion_dim)
        )
        self.emotion_embedding_tail = emotion_convolutions(config.emotion_dim)
        self.text_encoder = TextEncoder(
            config.num_words,
            config.word_dim,
            hidden=config.text_hidden,
            num_levels=config.text_levels,
            out_dim=config.text_dim,
            dropouts=(config.word_dropout, config.dropout),
        )
        self.audio_encoder = AUDIO_ENCODERS[config.audio_encoder](config.audio_channels)
        known_dim = config.emotion_dim + config.speaker_dim + config.text_dim
        self.audio_fusion = fusion(config.audio_channels[-1] + known_dim, config.hidden // 2, config.audio_dim)
        if config.face_input:
            self.facial_encoder = face_convolutions(get_layout(FACE_LAYOUT).dim, config.face_dim)
            facial_dim = config.face_dim + config.audio_dim + known_dim
            self.facial_fusion = fusion(facial_dim, config.hidden // 2, config.face_dim)

    def forward(
        self,
        waveform: Tensor,
        words: Tensor,
        speaker: Tensor,
        emotion: Tensor,
        *,
        face: Tensor | None = None,
        seed_motion: Tensor | None = None,
        seed_hidden: Tensor | None = None,
        neutral: Tensor | None = None,
        fps: float,
        sample_rate: int,
    ) -> CaMNOutput:
        """Generates T frames, frame k at time k / fps of the waveform.

        Args:
            waveform: (B, S).
            words: (B, T) int64 ids; their T is that of the result.
            speaker: (B,) int64 index.
            emotion: (B, T) int64 index.
            face: (B, T, 51) captured face, z-scored like the result (the published weights saw it raw), needed if and
                only if `face_input`.
            seed_motion: (B, n, D) z-scored motion of the first n frames, n up to `seed_frames`; None: none is given.
            seed_hidden: (B,) bool, windows without their seed frames; None: every window has them.
            neutral: (B,) bool, windows whose face is the face trunk's neutral identity; None: no window.
            fps: frames per second.
            sample_rate: samples per second of the waveform.

        Raises:
            InputError: a face or seed frames are missing, or given to a network without a place for them.
        """
        num_frames = words.shape[1]
        self._check_inputs(face, seed_motion)
        speaker_features = self.speaker_embedding(speaker)[:, None].expand(-1, num_frames, -1)  # (B, T, C)
        emotion_features = self.emotion_embedding(emotion).transpose(1, 2)
        emotion_features = self.emotion_embedding_tail(emotion_features).transpose(1, 2)  # (B, T, C)
        text_features = self.text_encoder(words)  # (B, T, C)
        known = torch.cat([emotion_features, speaker_features, text_features], dim=2)

        audio_features = self.audio_encoder(waveform, num_frames, fps=fps, sample_rate=sample_rate)  # (B, T, C)
        audio_features = self.audio_fusion(torch.cat([audio_features, known], dim=2))
        context = torch.cat([speaker_features, emotion_features, text_features, audio_features], dim=2)

        inputs = [context]
        if seed_motion is not None or self.config.seed_frames:
            inputs.insert(0, self._seed_channels(seed_motion, seed_hidden, context))
        if face is not None:
            face_features = self.facial_encoder(face.transpose(1, 2)).transpose(1, 2)  # (B, T, C)
            inputs.append(self.facial_fusion(torch.cat([face_features, audio_features, known], dim=2)))
        motion = self._generate_motion(torch.cat(inputs, dim=2))
        if not self.config.predict_face:
            return CaMNOutput(motion, None)
        if self.config.face_trunk_config is not None:
            time = {"num_frames": num_frames, "fps": fps, "sample_rate": sample_rate}
            made = self.face_path(waveform, speaker, neutral, **time)
        else:
            made = self.face_decoder(context.transpose(1, 2)).transpose(1, 2)
        return CaMNOutput(motion, made.float())

    def _check_inputs(self, face: Tensor | None, seed_motion: Tensor | None) -> None:
        if self.config.face_input and face is None:
            raise InputError(
                "face: this CaMN reads the captured face (model.face_input=true) and got none; give one, "
                "or use a model trained with model.face_input=false"
            )
        if face is not None and not self.config.face_input:
            raise InputError("face: this CaMN has no place for a given face (model.face_input=false); leave it out")
        if seed_motion is not None and seed_motion.shape[1] > self.config.seed_frames:
            raise InputError(
                f"seed_motion: got {seed_motion.shape[1]} frames; this CaMN takes at most {self.config.seed_frames} "
                "(its model.seed_frames)"
            )

    def _seed_channels(self, seed_motion: Tensor | None, hidden: Tensor | None, context: Tensor) -> Tensor:
        """The given frames and a flag on them, zeros elsewhere: (B, T, D + 1)."""
        channels = context.new_zeros(*context.shape[:2], self.num_columns + 1)
        if seed_motion is not None:
            num_given = min(seed_motion.shape[1], context.shape[1])
            channels[:, :num_given, :-1] = seed_motion[:, :num_given].to(channels.dtype)
            channels[:, :num_given, -1] = 1
            if hidden is not None:
                channels = channels * ~hidden[:, None, None]
        return channels

    def _generate_motion(self, inputs: Tensor) -> Tensor:
        body = self.out(run_bidirectional(self.LSTM, inputs))  # (B, T, body columns)
        hands = self.out_hands(run_bidirectional(self.LSTM_hands, torch.cat([inputs, body], dim=2)))
        motion = inputs.new_zeros(*inputs.shape[:2], self.num_columns, dtype=torch.float32)
        motion = motion.index_copy(2, self.body_columns, body.float())
        return motion.index_copy(2, self.hand_columns, hands.float())


def _output_layers(hidden: int, num_columns: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, hidden // 2), nn.LeakyReLU(0.1), nn.Linear(hidden // 2, num_columns))
