"""Operations on recordings: admission, limits, adoption, writing, sealed secrets."""
