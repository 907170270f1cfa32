// The exponential of attention's weights and of the feed-forward part's gate, half the instructions
// of hwy/contrib/math, which were a twentieth of a prompt; and what is made of it. Inner part of
// the kernels; compiled once for each Highway target.
#if defined(WAFERLINE_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_EXP_INL_H
#undef WAFERLINE_EXP_INL_H
#else
#define WAFERLINE_EXP_INL_H
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// e^x of f32 lanes for x <= 88, and exactly 0 for x < -87; within 2 units in the last place where
// multiply-add rounds once, else within 2^-17. x log2(e) = n + f, |f| <= 1/2: 2^f is a polynomial
// (minimax in the relative error, 1 at 0; it is off by 2^-28), and n is added to its exponent.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const V log2e = hn::Set(d, 0x1.715476p0f), log2e_rest = hn::Set(d, 0x1.4ae0cp-26f);
  const V no_fraction = hn::Set(d, 0x1.8p23f);  // added to a number leaves it no room for one
  const V rounded = hn::MulAdd(x, log2e, no_fraction);
  const V n = hn::Sub(rounded, no_fraction);
  const V f = hn::MulAdd(x, log2e_rest, hn::MulSub(x, log2e, n));
  V power = hn::Set(d, 0x1.470b4ap-13f);
  for (const float c :
       {0x1.5f7276p-10f, 0x1.3b270ep-7f, 0x1.c6ae72p-5f, 0x1.ebfbe2p-3f, 0x1.62e432p-1f, 1.0f}) {
    power = hn::MulAdd(power, f, hn::Set(d, c));
  }
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, rounded));
  const V result = hn::BitCast(d, hn::Add(hn::BitCast(di, power), exponent));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, -87.0f)), result);
}

// 1 / (1 + e^-x), within a few units in the last place; below -88 as at -88.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  // Beyond 88 the exponential would overflow, and the quotient is 0 in f32 for any use.
  return hn::Div(one, hn::Add(one, Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 88.0f)))));
}

// The hyperbolic tangent within 2^-19 of itself: where e^-2|x| is near 1 the difference would lose
// its digits, so a Taylor series.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  const V size = hn::Abs(x);
  const V e = Exp(d, hn::Mul(size, hn::Set(d, -2.0f)));
  const V far = hn::CopySign(hn::Div(hn::Sub(one, e), hn::Add(one, e)), x);
  const V square = hn::Mul(x, x);
  V series = hn::Set(d, -17.0f / 315);
  for (const float c : {2.0f / 15, -1.0f / 3, 1.0f}) {
    series = hn::MulAdd(series, square, hn::Set(d, c));
  }
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.25f)), hn::Mul(series, x), far);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
